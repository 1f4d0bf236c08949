"""The names of our keys in Redis, and whose documents lie under them."""

from typing import Any, NamedTuple


class Keyspace(NamedTuple):
    """Which part of a Redis is ours."""

    database: int
    """The number of the Redis database."""
    prefix: str
    """Before every key."""
    mark: str
    """Names the MySQL database whose documents count."""

    @property
    def entries(self) -> str:
        """What the key of every entry begins with."""
        return f"{self.prefix}credit_score:"

    @property
    def expiring(self) -> str:
        """The set of customers whose entry was hit in its last hour."""
        return f"{self.prefix}credit_scores:expiring"

    def entry(self, customer_id: int) -> str:
        """Return the key under which a customer's entry lies."""
        return f"{self.prefix}credit_score:{customer_id}"

    def script(self, script: str, customer_id: int, *arguments: Any) -> tuple[Any, ...]:
        """Return the command that runs a script on a customer's entry.

        The script selects the database itself: whichever the connection has selected, it changes no other.
        """
        selecting = f"redis.call('SELECT', {self.database})\n{script}" if self.database else script
        return ("EVAL", selecting, 1, self.entry(customer_id), *arguments)
