"""The outbox of cache invalidations in MySQL or MariaDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from typing_extensions import override

from lending.adapters.mysql_connection import READ_ONLY, MySQLConnection, Transaction, demoted
from lending.errors import StoreUnavailableError
from lending.patience import Patience
from lending.ports import Invalidation, InvalidationBatch, Outbox

# Both read along the index of swept_at, and so pass over none of the rows that are not theirs.
NEVER_SWEPT = """
SELECT invalidation_id, customer_id, write_token FROM cache_invalidations
 WHERE swept_at IS NULL
 ORDER BY invalidation_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
SWEPT_ONCE = """
SELECT invalidation_id, customer_id, write_token FROM cache_invalidations
 WHERE swept_at < CURRENT_TIMESTAMP - INTERVAL %(pause)s SECOND
 ORDER BY swept_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

NOTE_SWEPT = "UPDATE cache_invalidations SET swept_at = CURRENT_TIMESTAMP WHERE invalidation_id IN %(ids)s"
FORGET = "DELETE FROM cache_invalidations WHERE invalidation_id IN %(ids)s"

# The first in the order of sweeping; the least of all created_at would have to be looked for among all of them.
OLDEST = f"""
SELECT {READ_ONLY}, (SELECT TIMESTAMPDIFF(SECOND, created_at, CURRENT_TIMESTAMP) FROM cache_invalidations
                      WHERE swept_at IS NULL ORDER BY invalidation_id LIMIT 1)
"""

PENDING = "SELECT DISTINCT customer_id FROM cache_invalidations WHERE customer_id IN %(customer_ids)s"


class MySQLOutbox(Outbox):
    """Outbox on one connection."""

    def __init__(self, connection: MySQLConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    @override
    @contextmanager
    def batch(self, limit: int) -> Iterator["MySQLInvalidationBatch"]:
        with self._connection.transaction() as transaction:
            due: dict[str, object] = {"limit": limit, "pause": self._patience.second_pass}
            batch = MySQLInvalidationBatch(transaction, NEVER_SWEPT, NOTE_SWEPT, due)
            if not batch.rows:
                batch = MySQLInvalidationBatch(transaction, SWEPT_ONCE, FORGET, due)
            yield batch

    @override
    def oldest_seconds(self) -> int:
        ((*read_only, oldest),) = self._connection.query(OLDEST, {})
        if demoted(read_only):
            # What the writer's outbox holds by now, nobody has swept here.
            self._connection.forget()
            raise StoreUnavailableError("The loan store takes no writes: its outbox may be old.")
        return oldest or 0

    @override
    def pending(self, customer_ids: Sequence[int]) -> set[int]:
        return {row[0] for row in self._connection.query(PENDING, {"customer_ids": customer_ids})}


class MySQLInvalidationBatch(InvalidationBatch):
    """InvalidationBatch on a transaction that holds its rows."""

    def __init__(self, transaction: Transaction, select: str, confirm: str, parameters: dict[str, object]) -> None:
        self._transaction = transaction
        self._confirm = confirm
        rows = transaction.execute(select, parameters).fetchall()
        self._ids = [row[0] for row in rows]
        self.rows = len(rows)
        markers: dict[int, set[bytes]] = {}
        for _, customer_id, marker in rows:
            markers.setdefault(customer_id, set()).add(marker)
        self.invalidations: Sequence[Invalidation] = [Invalidation(c, tuple(m - {b""})) for c, m in markers.items()]

    @override
    def confirm(self) -> None:
        if self._ids:
            self._transaction.execute(self._confirm, {"ids": self._ids})
            self._transaction.commit()
