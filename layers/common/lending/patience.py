"""How long the service waits, for what: one value, so that all waits can be seen beside each other."""

from dataclasses import dataclass
from itertools import pairwise

FUNCTION_SECONDS = 10
"""After which Lambda ends a request: `Timeout` of the API's functions in template.yaml."""
TLS_REPLIES = 1
"""Replies that a new connection needs before its first command: one with TLS 1.3, which is the least. In the clear
none, since login, database number and command go out in one write."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Every wait of the service, in seconds. Whoever waits must learn what became of what it waits for.

    Raises:
        ValueError: The waits do not fit into each other.
    """

    lock_wait: int = 3
    """For a customer whom another request holds. Whole seconds, as InnoDB counts them."""
    table_wait: int = 2
    """For a lock that is no customer's: a migration's or a backup's. Shorter than lock_wait, which tells the two apart:
    the server has one error for both."""
    database_connect: float = 2
    """For the database's name, for a connection to it, and for each reply while it logs in."""
    database_reply: float = 5
    database_idle: float = 240
    """How long a kept connection is trusted: firewalls and proxies forget a silent flow after a few minutes, and the
    next query would hang."""
    database_server_idle: int = 300
    """After which the server ends a silent connection, and with it a transaction whose client has vanished."""
    database_login: float = 5
    """For the database's login from Secrets Manager."""

    time_to_begin: float = 3
    """What a request must have left to begin a transaction: with less, it could be cut off while it waits for its
    lock."""
    time_to_commit: float = 2
    """What a request must have left to commit: with less, a loan might be made and never answered for."""
    time_to_answer: float = 0.5
    """What a request must have left after its commit to wait for the cache."""
    pause_after_conflict: float = 0.05
    """The longest pause before another try. It is random, so that those who collided do not collide again."""
    pause_while_away: float = 0.4
    """The same while the store has to come back before anything can be known."""

    cache_total: float = 0.24
    """For all cache work of a request together: names, login, look-up, fill or peek, marker, delete. It may cost no
    more than 0.25 s, and what is done between the waits takes some milliseconds."""
    cache_connect: float = 0.08
    cache_reply: float = 0.08
    """A reader's, for each reply. A cache slower than this is slower than the query it saves."""
    cache_peek: float = 0.06
    """For all that a peek takes."""
    cache_write: float = 0.09
    """For all that a marker or a delete takes. Only waiting is bounded: the command is sent in any case."""
    cache_send: float = 0.01
    """What a writer may spend on a connection for its command when nothing else is left."""
    cache_idle: float = 240
    """As database_idle."""
    cache_refresh: float = 2
    """For the replies to hundreds of commands, where no request waits."""
    cache_login: float = 1
    """For the cache's login from Secrets Manager, and for how long the cache may take to accept one: a request does not
    wait for that, it leaves it to the next."""
    cache_login_retry: float = 60
    """Between two fetches of the cache's login, when the first one failed."""
    login_refetch: float = 1
    """Between two fetches of a login: what is wrong now will not be right for the next command of a request."""

    marker: int = 900
    """How long a writer's marker stands unless it is removed."""
    breaker_open: float = 5
    """How long a cache that failed is left alone before one request tries it again."""
    second_pass: int = 30
    """Before a sweep's delete is repeated: longer than a replica lags, for a failover that forgot it."""

    def __post_init__(self) -> None:
        """Check the ladder."""
        _rises(
            "table_wait < lock_wait < database_reply < FUNCTION_SECONDS",
            *(self.table_wait, self.lock_wait, self.database_reply, FUNCTION_SECONDS),
        )
        _rises("lock_wait <= time_to_begin", self.lock_wait, self.time_to_begin, strictly=False)
        _rises("time_to_answer < time_to_commit", self.time_to_answer, self.time_to_commit)
        _rises("time_to_commit < time_to_begin", self.time_to_commit, self.time_to_begin)
        # No transaction outlives its marker.
        _rises(
            "database_idle < database_server_idle < marker",
            self.database_idle,
            self.database_server_idle,
            self.marker,
        )
        # Where a reader still gets its replies, a writer gets its command out.
        _rises("cache_reply * TLS_REPLIES < cache_write", self.cache_reply * TLS_REPLIES, self.cache_write)
        loan = self.cache_peek + 2 * self.cache_write
        _rises("cache_peek + 2 * cache_write <= cache_total", loan, self.cache_total, strictly=False)
        _rises("cache_total < time_to_answer", self.cache_total, self.time_to_answer)

    @classmethod
    def relaxed(cls) -> "Patience":
        """Return the patience for a busy test machine, which may be slower than a cache that is worth its while."""
        return cls(
            time_to_answer=1.9, cache_total=1.8, cache_reply=0.55, cache_peek=0.6, cache_write=0.6, cache_login=30
        )


def _rises(rule: str, *waits: float, strictly: bool = True) -> None:
    for shorter, longer in pairwise(waits):
        # Sums of floats are compared to the microsecond.
        if round(longer - shorter, 6) < 0 or (strictly and shorter == longer):
            raise ValueError(f"Patience breaks {rule}: {', '.join(map(str, waits))}")
