"""The outbox of cache invalidations in MySQL or MariaDB."""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from typing_extensions import override

from lending import clock
from lending.adapters.mysql_connection import READ_ONLY, SERVER, WRITABLE, MySQLConnection, Transaction
from lending.errors import StoreUnavailableError
from lending.patience import Patience
from lending.ports import Invalidation, InvalidationBatch, Outbox

# Both read along the index of swept_at, and so pass over none of the rows that are not theirs. They begin where the
# last batch ended: before that, the index still holds what was swept for as long as any transaction might look at it,
# and while a backup runs every batch would step over all of it again.
NEVER_SWEPT = """
SELECT invalidation_id, customer_id, write_token, swept_at
  FROM cache_invalidations FORCE INDEX (cache_invalidations_swept_at)
 WHERE swept_at IS NULL AND invalidation_id > %(last_id)s
 ORDER BY invalidation_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
SWEPT_ONCE = """
SELECT invalidation_id, customer_id, write_token, swept_at
  FROM cache_invalidations FORCE INDEX (cache_invalidations_swept_at)
 WHERE swept_at >= %(last_swept_at)s AND swept_at < CURRENT_TIMESTAMP - INTERVAL %(pause)s SECOND
 ORDER BY swept_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

NEWEST = "SELECT COALESCE(MAX(invalidation_id), 0) FROM cache_invalidations"
NOTE_SWEPT = "UPDATE cache_invalidations SET swept_at = CURRENT_TIMESTAMP WHERE invalidation_id IN %(ids)s"
FORGET = "DELETE FROM cache_invalidations WHERE invalidation_id IN %(ids)s"

# The first in the order of sweeping; the least of all created_at would have to be looked for among all of them.
OLDEST = f"""
SELECT {READ_ONLY},
       (SELECT TIMESTAMPDIFF(SECOND, created_at, CURRENT_TIMESTAMP)
          FROM cache_invalidations FORCE INDEX (cache_invalidations_swept_at)
         WHERE swept_at IS NULL AND invalidation_id > %(last_id)s
         ORDER BY invalidation_id LIMIT 1)
  FROM {SERVER}
"""

PENDING = "SELECT DISTINCT customer_id FROM cache_invalidations WHERE customer_id IN %(customer_ids)s"


START_OVER_SECONDS = 1
"""A long transaction commits low numbers late, and a run that fails leaves some behind: so long they wait."""
START_OVER_SHARE = 0.1
"""Of its time that a sweep may spend on starting over, where that is slow."""


@dataclass
class Position:
    """How far the batches have come."""

    last_id: int = 0
    """Of the rows that were never swept."""
    left_id: float = math.inf
    """The first of the never swept that were passed over."""
    last_swept_at: datetime = datetime(2000, 1, 1)  # noqa: DTZ001 - as the driver gives it
    """Of the rows that were swept once."""
    since: clock.Moment = field(default_factory=clock.now)
    good_for: float = START_OVER_SECONDS
    """Seconds after which to start over."""


class MySQLOutbox(Outbox):
    """Outbox on one connection."""

    def __init__(self, connection: MySQLConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._position = Position()

    @override
    @contextmanager
    def batch(self, limit: int) -> Iterator["MySQLInvalidationBatch"]:
        if start_over := clock.seconds_since(self._position.since) >= self._position.good_for:
            self._position = Position()
        due = {
            "limit": limit,
            "pause": self._patience.second_pass,
            "last_id": self._position.last_id,
            "last_swept_at": self._position.last_swept_at,
        }
        with self._connection.transaction() as transaction:
            ((newest,),) = transaction.execute(NEWEST, {}).fetchall() if start_over else ((0,),)
            rows = transaction.execute(NEVER_SWEPT, due).fetchall()
            if not rows:
                # All up to the newest are swept, or locked, or not committed yet: the next batches need not look again.
                self._position.last_id = max(self._position.last_id, newest)
                rows = transaction.execute(SWEPT_ONCE, due).fetchall()
            if start_over:
                taken = clock.seconds_since(self._position.since)
                self._position.good_for = max(START_OVER_SECONDS, taken / START_OVER_SHARE)
            yield MySQLInvalidationBatch(transaction, rows, self._position)

    @override
    def oldest_seconds(self) -> int:
        last_id = min(self._position.last_id, self._position.left_id - 1)
        ((*read_only, oldest),) = self._connection.query(OLDEST, {"last_id": int(last_id)})
        if not WRITABLE.issuperset(read_only):
            # What the writer's outbox holds by now, nobody has swept here.
            self._connection.forget()
            raise StoreUnavailableError("The loan store takes no writes: its outbox may be old.")
        return int(oldest or 0)

    @override
    def pending(self, customer_ids: Sequence[int]) -> set[int]:
        return {row[0] for row in self._connection.query(PENDING, {"customer_ids": customer_ids})}


class MySQLInvalidationBatch(InvalidationBatch):
    """InvalidationBatch on a transaction that holds its rows, all never swept or all swept once."""

    def __init__(self, transaction: Transaction, rows: Sequence[tuple[Any, ...]], position: Position) -> None:
        self._transaction = transaction
        self._position = position
        self._rows = rows
        self.rows = len(rows)
        markers: dict[int, set[bytes]] = {}
        for _, customer_id, marker, _ in rows:
            markers.setdefault(customer_id, set()).add(marker)
        self.invalidations: Sequence[Invalidation] = [Invalidation(c, tuple(m - {b""})) for c, m in markers.items()]

    @override
    def confirm(self, *, except_of: Collection[int] = ()) -> int:
        if not self._rows:
            return 0
        gone = [row[0] for row in self._rows if row[1] not in except_of]
        last_id, _, _, last_swept_at = self._rows[-1]
        if gone:
            self._transaction.execute(NOTE_SWEPT if last_swept_at is None else FORGET, {"ids": gone})
        self._transaction.commit()
        if last_swept_at is None:
            self._position.last_id = last_id
            left = [row[0] for row in self._rows if row[1] in except_of]
            self._position.left_id = min([*left, self._position.left_id])
        else:
            self._position.last_swept_at = last_swept_at
        return len(gone)
