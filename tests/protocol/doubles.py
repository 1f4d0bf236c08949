"""Redis and the loan store in memory, one command per step, to explore every order of the steps.

`test_doubles.py` compares both with the real servers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from lending.adapters.breaker import Breaker
from lending.adapters.redis_connection import Command, RedisConnection, Wait
from lending.adapters.redis_scripts import (
    DELETE_IF_SAME,
    DELETE_UNLESS_MARKED,
    LEASE_IF_SAME,
    LOOK_UP,
    PEEK,
    SET_IF_SAME,
    SET_MARKER,
)
from lending.domain.loans import CreditRecord
from lending.ports import BypassReason, CacheAwayError, Invalidation, InvalidationBatch, LoanStore, Outbox, Reading
from testkit.fakes import FakeLoanStore, FakeTransaction

Step = Callable[..., None]
"""Called before each command; returns when it is the caller's turn. `ready` tells whether the caller could go on."""


def no_step(_what: str, ready: Callable[[], bool] = lambda: True) -> None:
    """Go on at once."""
    if not ready():
        raise RuntimeError("would wait for ever")


class RedisDouble:
    """The commands and scripts of the protocol on a dictionary. Time does not pass."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self._history: list[dict[str, bytes]] = []

    def forget(self, writes: int) -> None:
        """Lose the latest writes, as when a replica is promoted before they reach it."""
        if self._history:
            self.values = self._history[-writes] if writes <= len(self._history) else self._history[0]

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

    def look_up(self, key: str, lease: bytes, *_options: object) -> bytes | None:
        held = self.values.get(key)
        if held is None:
            self.values[key] = lease
        return held

    def peek(self, key: str, *_options: object) -> bytes | None:
        return self.values.get(key)

    def replace(self, key: str, seen: bytes, value: str | bytes, *_options: object) -> int:
        if self.values.get(key, seen) != seen:
            return 0
        self._set(key, value)
        return 1

    def fill(self, key: str, seen: bytes, value: str | bytes, *_options: object) -> int:
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


class SteppedConnection(RedisConnection):
    """RedisConnection of one actor. It takes a step before each command, and a command may go wrong."""

    def __init__(self, redis: RedisDouble, step: Step, fault: Callable[[Sequence[Any]], str | None]) -> None:
        """Take `fault`, which returns each command's fate: None, "dropped", "unanswered" or "late"."""
        self._redis = redis
        self._step = step
        self._fault = fault
        self.breaker = Breaker(open_seconds=5)
        self.delayed: list[Sequence[Any]] = []
        """Commands that the client has given up and that have not arrived yet."""

    def ask(self, *command: Any, wait: Wait) -> Any:
        self._step("redis")
        fault = self._fault(command)
        if fault == "late":
            self.delayed.append(command)
        elif fault != "dropped":
            reply = self._redis.execute(command)
        if fault is not None:
            raise CacheAwayError(BypassReason.UNAVAILABLE)
        return reply

    def ask_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        return [self.ask(*command, wait=wait) for command in commands]


class LockingLoanStore(FakeLoanStore):
    """The loan store in memory, with the row lock of one customer."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False


class SteppedStore(LoanStore):
    """LoanStore of one actor. It takes a step before everything that others could notice."""

    def __init__(self, store: LockingLoanStore, step: Step) -> None:
        self._store = store
        self._step = step

    def credit_record(self, customer_id: int, today: date) -> Reading:
        self._step("read")
        return self._store.credit_record(customer_id, today)

    def credit_records(self, customer_ids: Sequence[int], today: date) -> list[CreditRecord]:
        self._step("read")
        return self._store.credit_records(customer_ids, today)

    @contextmanager
    def transaction(self) -> Iterator["SteppedTransaction"]:
        transaction = SteppedTransaction(self._store, self._step)
        try:
            yield transaction
        finally:
            transaction.unlock()


class SteppedTransaction(FakeTransaction):
    """A transaction whose lock others wait for. Nobody sees its changes before its commit."""

    def __init__(self, store: LockingLoanStore, step: Step) -> None:
        super().__init__(store)
        self._locking_store = store
        self._step = step
        self._holds_lock = False

    def lock_customer(self, customer_id: int) -> None:
        self._step("lock", lambda: not self._locking_store.locked)
        super().lock_customer(customer_id)
        self._locking_store.locked = self._holds_lock = True

    def commit(self) -> None:
        self._step("commit")
        super().commit()
        self.unlock()

    def unlock(self) -> None:
        """Release the customer for the next actor."""
        if self._holds_lock:
            self._locking_store.locked = self._holds_lock = False


class OutboxDouble(Outbox, InvalidationBatch):
    """The outbox in memory; each batch is confirmed at its only pass."""

    def __init__(self, store: FakeLoanStore) -> None:
        self._store = store

    @contextmanager
    def batch(self, limit: int) -> Iterator["OutboxDouble"]:
        self.invalidations: Sequence[Invalidation] = self._store.invalidations[:limit]
        self.rows = len(self.invalidations)
        yield self

    def confirm(self) -> None:
        del self._store.invalidations[: len(self.invalidations)]

    def oldest_seconds(self) -> int:
        return 0

    def pending(self, customer_ids: Sequence[int]) -> set[int]:
        return {i.customer_id for i in self._store.invalidations}
