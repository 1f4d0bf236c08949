"""Explores every order of the steps of readers and writers, with a kill or a lost command at every place.

The real use cases and the real cache adapter run as coroutines that pause before each command. One run follows one
schedule; depth-first search over the choices finds the next, until there is none.

S1: no read that starts after create-loan has answered sees an older score.
S2: at rest, after a sweep, the cache holds no older score.
S3: as long as no command is lost, the inspection finds nothing wrong, however the others move meanwhile.

    python -m tests.protocol.interleavings            ours and naive, side by side
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import product
from typing import Any

from greenlet import greenlet

from lending.adapters.redis_bulk_scores import RedisBulkScoreCache
from lending.adapters.redis_scores import RedisScoreCache
from lending.adapters.score_document import from_document
from lending.domain.loans import LoanApplication, LoanRequest
from lending.domain.scoring import assess
from lending.patience import Patience
from lending.ports import CacheAwayError, CachedProfile, ScoreCache
from lending.use_cases.cache_use import CacheUse
from lending.use_cases.check_eligibility import check_eligibility
from lending.use_cases.create_loan import create_loan
from lending.use_cases.refresh_cache import CacheRefresh
from testkit.fakes import KEYSPACE, Customer, a_loan, credit_record
from tests.protocol.doubles import (
    LockingLoanStore,
    OutboxDouble,
    RedisDouble,
    SteppedConnection,
    SteppedStore,
    no_step,
)
from tests.protocol.naive import NaiveScoreCache

TODAY = date(2024, 6, 15)
CUSTOMER_ID = 1001
KEY = KEYSPACE.entry(CUSTOMER_ID)
RICH = Customer(monthly_salary=Decimal(9000000), approved_limit=Decimal(9000000000))
APPLICATION = LoanApplication(CUSTOMER_ID, Decimal(100000), Decimal(12), 12)
"""The application in every request."""

COMMAND_FAULTS = ("dropped", "unanswered", "late")
STEPS = {"r": 3, "w": 5, "f": 7}
COMMANDS = {"r": 2, "w": 3, "f": 5}
FORGOTTEN_WRITES = 3

Protocol = Callable[[Any], ScoreCache]
OURS: Protocol = partial(RedisScoreCache, keyspace=KEYSPACE, patience=Patience())
NAIVE: Protocol = partial(NaiveScoreCache, keyspace=KEYSPACE, patience=Patience())


def _score_after(loans: int) -> int:
    """Return the customer's score with this many loans of APPLICATION after the first one."""
    new = a_loan(emis_paid_on_time=0, start_date=TODAY, end_date=date(2025, 6, 15), status="APPROVED")
    return assess(credit_record(CUSTOMER_ID, RICH, [a_loan(), *[new] * loans], TODAY), TODAY).credit_score


LOANS_BEHIND = {_score_after(loans): loans for loans in range(3)}
"""The number of new loans behind each score. Each number has its own score."""


class Killed(BaseException):
    """The end of a process at any step; no `except Exception` catches it."""


class BulkCacheOfOne(RedisBulkScoreCache):
    """The cache in bulk, of a cache with one customer, whom it need not look for."""

    def sample(self, limit: int, today: date) -> list[CachedProfile]:
        return self.entries([CUSTOMER_ID], today)


@dataclass(frozen=True)
class Fault:
    """The one fault of a run."""

    kind: str
    """killed: an actor ends before a step. dropped, unanswered, late: a Redis command of an actor never arrives,
    arrives but its reply does not, or arrives at any time after the actor has given it up. expired: a lease ends before
    its time. failover: Redis forgets its latest writes."""
    actor: int = -1
    """The actor whose step or command it is."""
    at: int = 0
    """The number of the actor's step or command, or the number of writes that are forgotten."""


@dataclass
class Actor:
    """One request on its way."""

    name: str
    body: Callable[["Actor"], None]
    coroutine: greenlet = field(init=False)
    ready: Callable[[], bool] = lambda: True
    steps: int = 0
    commands: int = 0
    connection: SteppedConnection = field(init=False)
    score: int | None = None
    """The score that a reader saw."""
    must_see: int = 0
    """The number of loans that had been answered when this reader started."""

    @property
    def is_stale(self) -> bool:
        """Whether this reader saw a score that is older than promised."""
        return self.score is not None and LOANS_BEHIND[self.score] < self.must_see


class Run:
    """One schedule from its first to its last step."""

    def __init__(self, protocol: Protocol, cast: str, fault: Fault | None, *, warm: bool) -> None:
        """Set the scene. `cast` has one letter per reader, writer and refresh; `warm` begins with a cached score."""
        self.redis = RedisDouble()
        self.store = LockingLoanStore()
        self.store.customers[CUSTOMER_ID] = RICH
        self.store.loans[CUSTOMER_ID] = [a_loan()]
        self._protocol = protocol
        self._fault = fault
        self.answered = 0
        self.accused = 0
        """How many mismatches the inspection has reported."""
        self._scheduler = greenlet.getcurrent()
        self._failover = fault is not None and fault.kind == "failover"
        self._event_to_come = fault is not None and fault.kind in {"expired", "failover"}
        if warm:
            self._check(OURS(self._sound_connection()), no_step)
        self.actors = [Actor(f"{role}{n}", self._body_of(role)) for n, role in enumerate(cast)]
        for index, actor in enumerate(self.actors):
            actor.connection = SteppedConnection(self.redis, self._step_of(index), self._fault_of(index))

    def follow(self, choices: Sequence[int]) -> list[tuple[int, int]]:
        """Run with the given choices, then with the first of each; return each choice and how many there were."""
        trace: list[tuple[int, int]] = []
        for actor in self.actors:
            actor.coroutine = greenlet(lambda actor=actor: actor.body(actor))
        while True:
            moves = list(self._moves())
            if not moves:
                return trace
            choice = choices[len(trace)] if len(trace) < len(choices) else 0
            trace.append((choice, len(moves)))
            moves[choice]()

    def anomalies(self) -> list[str]:
        """Return the promises that were broken, after everything has come to rest."""
        last = Actor("last", self._read)
        last.connection = self._sound_connection()
        self._read(last)
        # Only a failover may bring an older score back, until the next sweep.
        broken = [f"S1 {actor.name}" for actor in [*self.actors, last] if actor.is_stale and not self._failover]
        self._sweep()
        entry = from_document(self.redis.values.get(KEY, b""), CUSTOMER_ID, TODAY, KEYSPACE.mark)
        if entry is not None and entry.loans != len(self.store.loans[CUSTOMER_ID]):
            broken.append("S2")
        if self.accused and (self._fault is None or self._fault.kind == "killed"):
            broken.append("S3")
        return broken

    def _moves(self) -> Iterator[Callable[[], None]]:
        """Yield everything that could happen next: an actor's step, or the arrival of a late command."""
        for actor in self.actors:
            if not actor.coroutine.dead and actor.ready():
                yield actor.coroutine.switch
            if actor.connection.delayed:
                yield partial(self._arrive, actor.connection.delayed)
        if self._event_to_come and (self._failover or self.redis.values.get(KEY, b"").startswith(b"lease:")):
            yield self._happen

    def _arrive(self, delayed: list[Sequence[Any]]) -> None:
        self.redis.execute(delayed.pop())

    def _happen(self) -> None:
        """Make the fault happen that belongs to no actor."""
        self._event_to_come = False
        if self._failover and self._fault is not None:
            self.redis.forget(self._fault.at)
        else:
            del self.redis.values[KEY]

    def _step_of(self, index: int) -> Callable[..., None]:
        def step(_what: str, ready: Callable[[], bool] = lambda: True) -> None:
            actor = self.actors[index]
            actor.ready = ready
            if actor.steps > 0:  # the first one was chosen by starting the actor
                self._scheduler.switch()
            actor.steps += 1
            if self._fault == Fault("killed", index, actor.steps):
                raise Killed

        return step

    def _fault_of(self, index: int) -> Callable[[Sequence[Any]], str | None]:
        def fault(_command: Sequence[Any]) -> str | None:
            actor = self.actors[index]
            actor.commands += 1
            return next((kind for kind in COMMAND_FAULTS if self._fault == Fault(kind, index, actor.commands)), None)

        return fault

    def _read(self, actor: Actor) -> None:
        actor.must_see = self.answered
        with suppress(Killed):
            actor.score = self._check(self._protocol(actor.connection), actor.connection._step)

    def _write(self, actor: Actor) -> None:
        try:
            answer = create_loan(
                LoanRequest(APPLICATION, actor.name, ()),
                store=lambda: SteppedStore(self.store, actor.connection._step),
                scores=self._protocol(actor.connection),
                today=TODAY,
                cache_use=CacheUse(),
                seconds_left=lambda: 10,
                pause=lambda _: None,
                patience=Patience(),
            )
        except Killed:
            return
        assert answer.loan is not None
        self.answered += 1

    def _refresh(self, actor: Actor) -> None:
        cache = BulkCacheOfOne(actor.connection, KEYSPACE, Patience())
        store = SteppedStore(self.store, actor.connection._step)
        refresh = CacheRefresh(OutboxDouble(self.store), store, cache, lambda: TODAY, lambda: 60)
        with suppress(Killed):
            for step in (refresh.warm, refresh.inspect):
                with suppress(CacheAwayError):
                    step()
            self.accused += len(refresh.report.mismatches)

    def _body_of(self, role: str) -> Callable[[Actor], None]:
        return {"r": self._read, "w": self._write, "f": self._refresh}[role]

    def _check(self, scores: ScoreCache, step: Callable[..., None]) -> int:
        checked = check_eligibility(
            APPLICATION, store=lambda: SteppedStore(self.store, step), scores=scores, today=TODAY, cache_use=CacheUse()
        )
        return checked.decision.credit_score

    def _sound_connection(self) -> SteppedConnection:
        return SteppedConnection(self.redis, no_step, lambda _command: None)

    def _sweep(self) -> None:
        if self._protocol is NAIVE:
            return
        cache = RedisBulkScoreCache(self._sound_connection(), KEYSPACE, Patience())
        CacheRefresh(OutboxDouble(self.store), self.store, cache, lambda: TODAY, lambda: 60).sweep()


@dataclass
class Result:
    """The counts of an exploration."""

    schedules: int = 0
    anomalies: dict[str, int] = field(default_factory=dict)
    first: str = ""
    """The first anomaly, with its schedule."""


def faults(cast: str) -> Iterator[Fault | None]:
    """Yield every fault that can happen to a cast, beginning with none."""
    yield None
    for actor, role in enumerate(cast):
        yield from (Fault("killed", actor, at) for at in range(1, STEPS[role] + 1))
        yield from (Fault(kind, actor, at) for kind in COMMAND_FAULTS for at in range(1, COMMANDS[role] + 1))
    yield Fault("expired")
    yield from (Fault("failover", at=at) for at in range(1, FORGOTTEN_WRITES + 1))


def explore(protocol: Protocol, cast: str, fault: Fault | None, *, warm: bool, result: Result) -> None:
    """Run every schedule of a cast with a fault, and add their counts."""
    choices: list[int] = []
    while True:
        run = Run(protocol, cast, fault, warm=warm)
        trace = run.follow(choices)
        result.schedules += 1
        for anomaly in run.anomalies():
            kind = anomaly.split()[0]
            result.anomalies[kind] = result.anomalies.get(kind, 0) + 1
            result.first = (
                result.first or f"{anomaly}: cast {cast}, warm {warm}, {fault}, choices {[c for c, _ in trace]}"
            )
        while trace and trace[-1][0] + 1 == trace[-1][1]:
            trace.pop()
        if not trace:
            return
        choices = [choice for choice, _ in trace]
        choices[-1] += 1


def explore_all(protocol: Protocol, casts: Sequence[str]) -> Result:
    """Run every schedule of the casts, cold and warm, with every fault."""
    result = Result()
    for cast, warm in product(casts, (False, True)):
        for fault in faults(cast):
            explore(protocol, cast, fault, warm=warm, result=result)
    return result


def main() -> None:
    """Explore our protocol and the naive one, and print the counts of each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--casts", nargs="+", default=["wrr", "wwr", "wrf"], help="letters: r reader, w writer, f refresh"
    )
    casts = parser.parse_args().casts
    for name, protocol in {"ours": OURS, "naive": NAIVE}.items():
        started_at = time.monotonic()
        result = explore_all(protocol, casts)
        seconds = time.monotonic() - started_at
        print(f"{name:6} {result.schedules:9,} schedules in {seconds:5.0f} s, anomalies: {result.anomalies or 'none'}")
        if result.first:
            print(f"       first: {result.first}")


if __name__ == "__main__":
    main()
