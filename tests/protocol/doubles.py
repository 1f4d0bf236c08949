"""Redis, the loan store and the outbox in memory, one step at a time, for exploring every order of the steps.

`test_doubles.py` holds them against the real servers, so that what is explored is what runs.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import Enum
from typing import Any, Protocol

from lending.adapters.redis_scripts import (
    DELETE_IF_SAME,
    DELETE_UNLESS_MARKED,
    LEASE_IF_SAME,
    LOOK_UP,
    PEEK,
    SET_IF_SAME,
    SET_MARKER,
)
from lending.domain.eligibility import Decision
from lending.domain.loans import CreditRecord, LoanMade, LoanRequest
from lending.errors import ConnectionLostError, OutcomeUnknownError, StoreUnavailableError
from lending.patience import Patience
from lending.ports import (
    Invalidation,
    InvalidationBatch,
    LoanStore,
    Outbox,
    Reading,
)
from testkit.fakes import FakeLoanStore, FakeTransaction

AGES = 1_000.0
PATIENCE = Patience(
    cache_total=AGES,
    cache_peek=AGES / 5,
    cache_write=AGES / 3,
    time_to_answer=2 * AGES,
    time_to_commit=3 * AGES,
    time_to_begin=4 * AGES,
    breaker_open=AGES,
)
"""Real time passes between the steps of a run, as much as a busy machine takes. It must decide nothing."""


class Fate(Enum):
    """What becomes of a step."""

    DONE = "done"
    DROPPED = "dropped"
    """A command of Redis never arrives."""
    UNANSWERED = "unanswered"
    """It arrives at once, and its sender has given up when the reply comes. Or a commit counts, and nobody is told."""
    LATE = "late"
    """A command of Redis arrives at any time after its sender has given it up."""


def always() -> bool:
    """Tell that nothing has to be waited for."""
    return True


class Pace(Protocol):
    """Says when the next step of an actor is to be taken, and hears what the actor learns by it."""

    def wait(self, step: str, ready: Callable[[], bool] = always) -> Fate:
        """Return when it is the actor's turn. `ready` tells whether the step could be taken at all."""

    def saw(self, *what: Hashable) -> None:
        """Note what the actor has learned, which is all that its further steps depend on."""


class AtOnce(Pace):
    """Every step at once."""

    def wait(self, step: str, ready: Callable[[], bool] = always) -> Fate:
        if not ready():
            raise RuntimeError(f"would wait without an end: {step}")
        return Fate.DONE

    def saw(self, *what: Hashable) -> None:
        pass


class RedisDouble:
    """The commands and scripts of the protocol on a dictionary. Time does not pass."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self._history: list[dict[str, bytes]] = []

    def forget(self, writes: int) -> None:
        """Go back to before the latest writes, as a replica does that is promoted before they have reached it."""
        if self._history:
            self.values = self._history[-writes] if writes <= len(self._history) else self._history[0]

    def put(self, key: str, value: bytes | None) -> None:
        """Let another node set or delete a key."""
        self.execute(("SET", key, value) if value is not None else ("DEL", key))

    def contents(self, known_words: Callable[[Any], Hashable], writes: int) -> Hashable:
        """Return all that anybody could learn of it, with so many of the latest writes."""
        states = [self.values, *(self._history[-writes:] if writes else [])]
        return tuple(tuple((key, known_words(value)) for key, value in sorted(s.items())) for s in states)

    def execute(self, command: Sequence[Any]) -> Any:
        """Return the reply to one command."""
        before = self.values.copy()
        reply = self._execute(command)
        if self.values != before:
            self._history.append(before)
        return reply

    def _execute(self, command: Sequence[Any]) -> Any:
        name, *arguments = command
        if name != "EVAL":
            return getattr(self, f"_{name.lower()}")(*arguments)
        script, number_of_keys, *rest = arguments
        return SCRIPTS[script](self, rest[0], *rest[number_of_keys:])

    def _get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def _set(self, key: str, value: str | bytes, *_options: object) -> bytes:
        self.values[key] = value if isinstance(value, bytes) else value.encode()
        return b"OK"

    def _spop(self, _key: str, _count: int) -> list[bytes]:
        return [key.rpartition(":")[2].encode() for key in self.values]

    def _del(self, key: str) -> int:
        return int(self.values.pop(key, None) is not None)

    def look_up(self, key: str, lease: bytes) -> bytes | None:
        held = self.values.get(key)
        if held is None:
            self.values[key] = lease
        return held

    def peek(self, key: str) -> bytes | None:
        return self.values.get(key)

    def replace(self, key: str, seen: bytes, value: str | bytes) -> int:
        if self.values.get(key, seen) != seen:
            return 0
        self._set(key, value)
        return 1

    def fill(self, key: str, seen: bytes, value: str | bytes) -> int:
        if self.values.get(key) != seen:
            return 0
        self._set(key, value)
        return 1

    def set_marker(self, key: str, marker: bytes, _seconds: int) -> int:
        self._set(key, marker)
        return 1

    def finish(self, key: str, *markers: bytes) -> int:
        held = self.values.get(key, b"")
        if held.startswith(b"write:") and held not in markers:
            return 0
        return self._del(key)

    def retract(self, key: str, seen: bytes) -> int:
        return self._del(key) if self.values.get(key) == seen else 0


SCRIPTS: dict[str, Callable[..., Any]] = {
    LOOK_UP: RedisDouble.look_up,
    PEEK: RedisDouble.peek,
    LEASE_IF_SAME: RedisDouble.replace,
    SET_IF_SAME: RedisDouble.fill,
    SET_MARKER: RedisDouble.set_marker,
    DELETE_UNLESS_MARKED: RedisDouble.finish,
    DELETE_IF_SAME: RedisDouble.retract,
}


class SharedLoanStore(FakeLoanStore):
    """The loan store in memory: the row lock of one customer, the two passes of its outbox, and a failover."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False
        self.swept_once: list[Invalidation] = []
        self.second_pass_is_due = True
        """Whether the time between two passes is over."""
        self.held: list[Invalidation] = []
        """Those that a sweep has locked."""
        self.generation = 0
        """How many failovers there were."""
        self.demoted: FakeLoanStore | None = None
        """After a failover, the server that was the writer until then, as long as names lead to it."""

    def fail_over(self) -> None:
        """Put a new writer in the place of the old one, to which names and connections lead until names_follow()."""
        self.demoted = FakeLoanStore(dict(self.customers), {c: list(loans) for c, loans in self.loans.items()})
        self.generation += 1
        self.locked = False
        self.held = []

    def names_follow(self) -> None:
        """Lead new connections to the new writer."""
        self.demoted = None

    def update_loan(self, customer_id: int, **fields: Any) -> None:
        """Change a customer's first loan as another system does, with SQL of its own; a trigger names the customer."""
        first, *others = self.loans[customer_id]
        self.loans[customer_id] = [first._replace(**fields), *others]
        self.invalidations.append(Invalidation(customer_id, ()))

    def contents(self) -> Hashable:
        """Return all that anybody could learn of it."""
        return (
            _contents(self),
            tuple(self.invalidations),
            tuple(self.swept_once),
            tuple(self.held),
            self.locked,
            self.generation,
            self.demoted and _contents(self.demoted),
        )


def _contents(store: FakeLoanStore) -> Hashable:
    return (
        # All but the first are alike.
        tuple((loans[0].emis_paid_on_time, len(loans)) for loans in store.loans.values()),
        tuple(request.request_id for request, _ in store.answers),
    )


class SteppedStore(LoanStore):
    """LoanStore of one actor: a step before whatever others could notice."""

    def __init__(self, store: SharedLoanStore, pace: Pace) -> None:
        self._store = store
        self._pace = pace

    def credit_record(self, customer_id: int, today: date) -> Reading:
        self._pace.wait("read")
        # Where a new connection leads to the writer, the real store asks that one instead.
        reading = (self._store.demoted or self._store).credit_record(customer_id, today)
        self._pace.saw(reading.record, self._store.demoted is None)
        return reading._replace(from_writer=self._store.demoted is None)

    def credit_records(self, customer_ids: Sequence[int], today: date) -> list[CreditRecord]:
        self._pace.wait("read")
        if self._store.demoted is not None:
            self._pace.saw("demoted")
            raise StoreUnavailableError("The loan store takes no writes.")
        records = self._store.credit_records(customer_ids, today)
        self._pace.saw(*records)
        return records

    @contextmanager
    def transaction(self, customer_id: int) -> Iterator["SteppedTransaction"]:
        transaction = SteppedTransaction(self._store, self._pace)
        try:
            transaction.lock(customer_id)
            yield transaction
        finally:
            transaction.unlock()


class SteppedTransaction(FakeTransaction):
    """A transaction whose lock others wait for. What it does before its commit, nobody else can see."""

    def __init__(self, store: SharedLoanStore, pace: Pace) -> None:
        super().__init__(store)
        self._shared_store = store
        self._pace = pace
        self._holds_lock = False

    def lock(self, customer_id: int) -> None:
        self._pace.wait("lock", lambda: not self._shared_store.locked or self._shared_store.demoted is not None)
        if self._shared_store.demoted is not None:
            self._pace.saw("demoted")
            raise ConnectionLostError
        super().lock(customer_id)
        self._shared_store.locked = self._holds_lock = True
        self._generation = self._shared_store.generation
        self._pace.saw(_contents(self._shared_store))

    def add_loan(self, request: LoanRequest, decision: Decision, start: date, end: date) -> LoanMade:
        self._pace.wait("insert")
        if self._generation != self._shared_store.generation:
            self._pace.saw("demoted")
            raise ConnectionLostError
        return super().add_loan(request, decision, start, end)

    def commit(self) -> None:
        fate = self._pace.wait("commit")
        if self._generation != self._shared_store.generation:
            self._pace.saw("demoted")
            raise OutcomeUnknownError
        super().commit()
        self.unlock()
        if fate is Fate.UNANSWERED:
            self._pace.saw("nothing")
            raise OutcomeUnknownError
        self._pace.saw("committed")

    def unlock(self) -> None:
        """Let the next one have the customer."""
        if self._holds_lock and self._generation == self._shared_store.generation:
            self._shared_store.locked = False
        self._holds_lock = False


class OutboxDouble(Outbox):
    """The outbox in memory. A sweep takes what was never swept first and passes over what another has locked."""

    def __init__(self, store: SharedLoanStore, pace: Pace) -> None:
        self._store = store
        self._pace = pace

    @contextmanager
    def batch(self, limit: int) -> Iterator["BatchDouble"]:
        self._pace.wait("batch")
        batch = BatchDouble(self._store, self._pace, limit)
        try:
            yield batch
        finally:
            batch.release()

    def oldest_seconds(self) -> int:
        return 0

    def pending(self, customer_ids: Sequence[int]) -> set[int]:
        self._pace.wait("pending")
        rows = [*self._store.invalidations, *self._store.swept_once]
        pending = {row.customer_id for row in rows} & set(customer_ids)
        self._pace.saw(*sorted(pending))
        return pending


class BatchDouble(InvalidationBatch):
    """A transaction that holds some rows of the outbox."""

    def __init__(self, store: SharedLoanStore, pace: Pace, limit: int) -> None:
        self._store = store
        self._pace = pace
        self._generation = store.generation
        never = _without(store.held, store.invalidations)[:limit]
        once = _without(store.held, store.swept_once)[:limit] if store.second_pass_is_due else []
        self._from = store.invalidations if never else store.swept_once
        self._rows = never or once
        self.rows = len(self._rows)
        store.held += self._rows
        markers: dict[int, set[bytes]] = {}
        for row in self._rows:
            markers.setdefault(row.customer_id, set()).update(row.markers)
        self.invalidations = [Invalidation(customer_id, tuple(sorted(m))) for customer_id, m in markers.items()]
        pace.saw(self._from is store.swept_once, *self._rows)

    def confirm(self, *, except_of: Collection[int] = ()) -> int:
        if not self._rows or except_of:
            return 0
        self._pace.wait("confirm")
        if self._generation != self._store.generation:
            self._pace.saw("demoted")
            raise OutcomeUnknownError
        self._from[:] = _without(self._rows, self._from)
        if self._from is self._store.invalidations:
            self._store.swept_once += self._rows
        self._pace.saw("confirmed")
        return len(self._rows)

    def release(self) -> None:
        """End the transaction."""
        if self._generation == self._store.generation:
            self._store.held = _without(self._rows, self._store.held)


def _without(some: Sequence[Invalidation], rows: Sequence[Invalidation]) -> list[Invalidation]:
    """Return the rows that are none of these; equal ones are different rows."""
    return [row for row in rows if not any(row is other for other in some)]
