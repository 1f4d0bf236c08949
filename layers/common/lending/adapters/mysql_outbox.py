"""The outbox of cache invalidations in MySQL or MariaDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lending.adapters.mysql_connection import MySQLConnection, Transaction
from lending.ports import Invalidation

PAUSE_SECONDS = 30
"""Longer than a replica lags: a delete that a failover forgot is repeated on the new primary."""

DUE = """
SELECT invalidation_id, customer_id, write_token FROM cache_invalidations
 WHERE swept_at IS NULL OR swept_at < CURRENT_TIMESTAMP - INTERVAL %(pause)s SECOND
 ORDER BY invalidation_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

FORGET_SWEPT_TWICE = "DELETE FROM cache_invalidations WHERE invalidation_id IN %(ids)s AND swept_at IS NOT NULL"

NOTE_SWEPT_ONCE = "UPDATE cache_invalidations SET swept_at = CURRENT_TIMESTAMP WHERE invalidation_id IN %(ids)s"

OLDEST = """
SELECT COALESCE(TIMESTAMPDIFF(SECOND, MIN(created_at), CURRENT_TIMESTAMP), 0)
  FROM cache_invalidations WHERE swept_at IS NULL
"""


class MySQLOutbox:
    """Outbox on one connection."""

    def __init__(self, connection: MySQLConnection) -> None:
        """Take the connection of this execution environment."""
        self._connection = connection

    @contextmanager
    def batch(self, limit: int) -> Iterator["MySQLInvalidationBatch"]:
        """See Outbox."""
        with self._connection.transaction() as transaction:
            yield MySQLInvalidationBatch(transaction, limit)

    def oldest_seconds(self) -> int:
        """See Outbox."""
        ((seconds,),) = self._connection.query(OLDEST, {})
        return int(seconds)


class MySQLInvalidationBatch:
    """InvalidationBatch on a transaction that holds its rows."""

    def __init__(self, transaction: Transaction, limit: int) -> None:
        """Lock at most `limit` rows."""
        self._transaction = transaction
        rows = transaction.execute(DUE, {"limit": limit, "pause": PAUSE_SECONDS}).fetchall()
        self._ids = [row[0] for row in rows]
        self.invalidations: Sequence[Invalidation] = [Invalidation(*row[1:]) for row in rows]

    def confirm(self) -> None:
        """See InvalidationBatch."""
        if self._ids:
            self._transaction.execute(FORGET_SWEPT_TWICE, {"ids": self._ids})
            self._transaction.execute(NOTE_SWEPT_ONCE, {"ids": self._ids})
            self._transaction.commit()
