"""The outbox of cache invalidations in MySQL or MariaDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from typing_extensions import override

from lending.adapters.mysql_connection import MySQLConnection, Transaction
from lending.patience import Patience
from lending.ports import Invalidation, InvalidationBatch, Outbox

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


class MySQLOutbox(Outbox):
    """Outbox on one connection."""

    def __init__(self, connection: MySQLConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    @override
    @contextmanager
    def batch(self, limit: int) -> Iterator["MySQLInvalidationBatch"]:
        with self._connection.transaction() as transaction:
            yield MySQLInvalidationBatch(transaction, limit, self._patience.second_pass)

    @override
    def oldest_seconds(self) -> int:
        ((seconds,),) = self._connection.query(OLDEST, {})
        return int(seconds)


class MySQLInvalidationBatch(InvalidationBatch):
    """InvalidationBatch on a transaction that holds its rows."""

    def __init__(self, transaction: Transaction, limit: int, pause: int) -> None:
        self._transaction = transaction
        rows = transaction.execute(DUE, {"limit": limit, "pause": pause}).fetchall()
        self._ids = [row[0] for row in rows]
        self.invalidations: Sequence[Invalidation] = [Invalidation(*row[1:]) for row in rows]

    @override
    def confirm(self) -> None:
        if self._ids:
            self._transaction.execute(FORGET_SWEPT_TWICE, {"ids": self._ids})
            self._transaction.execute(NOTE_SWEPT_ONCE, {"ids": self._ids})
            self._transaction.commit()
