"""How long the service waits, for what: one value, so that all waits can be seen beside each other."""

from dataclasses import dataclass
from itertools import pairwise

FUNCTION_SECONDS = 10
"""After which Lambda ends a request: `Timeout` of the API's functions in template.yaml."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Every wait of the service, in seconds. Whoever waits must learn what became of what it waits for.

    Raises:
        ValueError: The waits do not fit into each other.
    """

    lock_wait: int = 3
    """For a customer whom another request holds."""
    database_connect: float = 2
    """For a connection to the database, and for each reply while it logs in."""
    database_reply: float = 5
    database_idle: float = 240
    """How long a kept connection is trusted: firewalls and proxies forget a silent flow after a few minutes, and the
    next query would hang."""
    database_server_idle: int = 300
    """After which the server ends a silent connection, and with it a transaction whose client has vanished."""

    time_to_begin: float = 3
    """What a request must have left to begin a transaction: with less, it could be cut off while it waits for its
    lock."""
    time_to_commit: float = 2
    """What a request must have left to commit: with less, a loan might be made and never answered for."""
    pause_after_conflict: float = 0.05
    """The longest pause before another try. It is random, so that those who collided do not collide again."""
    pause_while_away: float = 0.4
    """The same while the store has to come back before anything can be known."""

    cache_connect: float = 0.1
    cache_reply: float = 0.15
    """A cache slower than this is slower than the query it saves."""
    cache_slow: float = 0.1
    """A reply that took longer is used, and counts as a failure to the breaker."""
    cache_peek: float = 0.05
    cache_write: float = 0.09
    """For a marker or a delete. A loan peeks, puts its marker and drops the entry: all of it stays under 0.25 s."""
    cache_refresh: float = 2
    """For the replies to hundreds of commands, where no request waits."""
    second_pass: int = 30
    """Before a delete is repeated: longer than a replica lags, for a failover that forgot it."""
    marker: int = 900
    """How long a writer's marker stands unless it is removed."""
    breaker_open: float = 5
    """How long a cache that failed is left alone before one request tries it again."""
    login_refetch: float = 1
    """Between two fetches of a login: what is wrong now will not be right for the next command of a request."""

    def __post_init__(self) -> None:
        """Check the ladder."""
        _rises("lock_wait < database_reply < FUNCTION_SECONDS", self.lock_wait, self.database_reply, FUNCTION_SECONDS)
        _rises("lock_wait <= time_to_begin", self.lock_wait, self.time_to_begin, strictly=False)
        _rises("time_to_commit < time_to_begin", self.time_to_commit, self.time_to_begin)
        # No transaction outlives its marker.
        _rises(
            "database_idle < database_server_idle < marker",
            self.database_idle,
            self.database_server_idle,
            self.marker,
        )
        _rises("cache_slow <= cache_reply", self.cache_slow, self.cache_reply, strictly=False)

    @classmethod
    def relaxed(cls) -> "Patience":
        """Return the patience for a busy test machine, which may be slower than a cache that is worth its while."""
        return cls(cache_reply=2, cache_slow=2, cache_peek=2, cache_write=2)


def _rises(rule: str, *waits: float, strictly: bool = True) -> None:
    for shorter, longer in pairwise(waits):
        if shorter > longer or (strictly and shorter == longer):
            raise ValueError(f"Patience breaks {rule}: {', '.join(map(str, waits))}")
