"""Explores every order of the steps of readers, writers and the refresh, with every fault at every place.

The real use cases and the real cache adapter run as coroutines that pause before each step. What comes next is a
choice: whose step, and what becomes of it. A search goes through all choices; where it comes to a state that it has
been in, it counts the schedules from there on again and does not run them again.

S1: no read that starts after create-loan has answered sees an older score, unless a failover of Redis or a MIGRATE that
broke off brought it back, or a writer's commands did not reach the node to which the slot had moved.
S2: at rest, after both passes of the sweep, the cache holds nothing but what the store says.
S3: the inspection finds nothing wrong, unless a failover of Redis brought it back.

    python -m tests.protocol.interleavings            ours and naive, side by side
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import product
from multiprocessing import Pool
from typing import NamedTuple

from greenlet import GreenletExit, greenlet

from lending.adapters.redis_bulk_scores import RedisBulkScoreCache
from lending.adapters.redis_scores import RedisScoreCache
from lending.adapters.score_document import from_document
from lending.domain.loans import LoanApplication, LoanRequest
from lending.domain.policy import Policy
from lending.domain.scoring import assess
from lending.errors import LendingError
from lending.ports import CacheAwayError, CachedProfile, ScoreCache
from lending.use_cases.cache_use import CacheUse
from lending.use_cases.check_eligibility import check_eligibility
from lending.use_cases.create_loan import create_loan
from lending.use_cases.refresh_cache import CacheRefresh
from testkit.fakes import KEYSPACE, POLICY, Customer, Loan, a_loan, credit_record
from tests.protocol.cluster_double import ClusterDouble, SteppedConnection
from tests.protocol.doubles import (
    AGES,
    PATIENCE,
    AtOnce,
    Fate,
    OutboxDouble,
    Pace,
    SharedLoanStore,
    SteppedStore,
    always,
)
from tests.protocol.naive import NaiveScoreCache

TODAY = date(2024, 6, 15)
CUSTOMER_ID = 1001
KEY = KEYSPACE.entry(CUSTOMER_ID)
RICH = Customer(monthly_salary=Decimal(9000000), approved_limit=Decimal(9000000000))
APPLICATION = LoanApplication(CUSTOMER_ID, Decimal(100000), Decimal(12), 12)
"""The application in every request."""
IDEMPOTENCY_KEY = b"key"
EMIS_AFTER_CHANGE = 10
"""What another system changes the first loan's punctual installments to."""

FORGOTTEN_WRITES = 3
"""How many of its latest writes a failover of Redis may forget."""

Protocol = partial[RedisScoreCache] | partial[NaiveScoreCache]
OURS: Protocol = partial(RedisScoreCache, keyspace=KEYSPACE, patience=PATIENCE)
NAIVE: Protocol = partial(NaiveScoreCache, keyspace=KEYSPACE, patience=PATIENCE)


class Fault(Enum):
    """What can go wrong in a schedule, at any place."""

    KILL = "a process is killed"
    COMMAND = "a Redis command is lost, late or unanswered"
    COMMIT = "a commit is unanswered"
    EXPIRY = "a lease ends before its time"
    REDIS_FAILOVER = "Redis forgets its latest writes"
    DEMOTION = "the database's writer is demoted, and names lead to it for a while"
    SLOW = "Redis's replies are late, each of them or some"
    HASTE = "a writer has no time left after its commit"
    MOVE = "the slot moves to another node, step by step"
    HALF_MOVED = "a MIGRATE leaves the key on both nodes"


Faults = tuple[Fault, ...]
OF_A_CLUSTER = (Fault.MOVE, Fault.HALF_MOVED)
ALONE: list[Faults] = [(), *[(fault,) for fault in Fault if fault not in OF_A_CLUSTER]]
"""Every fault by itself, and none."""
TWO_AT_ONCE: list[Faults] = [(Fault.KILL, Fault.COMMAND), (Fault.DEMOTION, Fault.HASTE)]
MOVING: list[Faults] = [(Fault.MOVE, *rest) for rest in [*ALONE, (Fault.HALF_MOVED,)] if rest != (Fault.DEMOTION,)]
"""The slot moves, and every fault beside that concerns the cache."""
CASTS = ("wrr", "wwr", "wpr", "wrf", "osr", "osf", "wos")
CASTS_OF_A_MOVE = ("wr", "rw", "os", "wf")
"""Who acts in each exploration; the letters are explained at Scene."""


def _score_of(loans: int, changes: int) -> int:
    """Return the customer's score after this many loans of APPLICATION, and changes by another system."""
    new = a_loan(emis_paid_on_time=0, start_date=TODAY, end_date=date(2025, 6, 15), status="APPROVED")
    record = credit_record(CUSTOMER_ID, RICH, [_first_loan(changes), *[new] * loans], TODAY)
    return assess(record, TODAY, POLICY).credit_score


def _first_loan(changes: int) -> Loan:
    return a_loan(emis_paid_on_time=EMIS_AFTER_CHANGE) if changes else a_loan()


class Behind(NamedTuple):
    """What a score has seen."""

    loans: int
    """New loans of this service."""
    changes: int
    """Changes by another system."""


BEHIND = {_score_of(*behind): behind for behind in map(Behind._make, product(range(3), range(2)))}
"""Each state of the customer has its own score."""


class Killed(BaseException):
    """The end of a process at any step; no `except Exception` catches it."""


class BulkCacheOfOne(RedisBulkScoreCache):
    """The cache in bulk, of a cache with one customer, whom it need not look for."""

    def sample(self, limit: int, today: date, policy: Policy) -> list[CachedProfile]:
        return self.entries([CUSTOMER_ID], today, policy)


class Actor(Pace):
    """One request, or one run of a job, on its way."""

    def __init__(self, name: str, run: "Run", body: Callable[["Actor"], None], gate: str) -> None:
        self.name = name
        self.connection = SteppedConnection(run.redis, self, name, gate)
        self.store = SteppedStore(run.store, self)
        self.next_step = ""
        self.ready: Callable[[], bool] = always
        self.score: int | None = None
        """The score that a reader saw."""
        self.must_see = 0
        """How many loans had been answered for when this one began."""
        self.has_begun = False
        self._run = run
        self._seen: list[Hashable] = []
        self._scheduler = greenlet.getcurrent()
        self._coroutine = greenlet(partial(body, self))
        self._coroutine.switch()

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left for it to do."""
        return bool(self._coroutine.dead)

    @property
    def is_stale(self) -> bool:
        """Whether this reader saw a score that is older than promised."""
        return self.score is not None and BEHIND[self.score].loans < self.must_see

    @property
    def has_committed(self) -> bool:
        """Whether this writer knows that its loan counts."""
        return ("committed",) in self._seen

    def wait(self, step: str, ready: Callable[[], bool] = always) -> Fate:
        self.next_step, self.ready = step, ready
        fate: Fate | None = self._scheduler.switch()
        if fate is None:
            raise Killed
        return fate

    def saw(self, *what: Hashable) -> None:
        self._seen.append(what)

    def go_on(self, fate: Fate | None) -> None:
        """Take the next step, which comes to this; None kills the actor before it."""
        if not self.has_begun:
            self.has_begun, self.must_see = True, len(self._run.answered)
        self._coroutine.switch(fate)

    def give_up(self) -> None:
        """End it, since nobody wants to know its further steps."""
        if not self.is_at_rest:
            self._coroutine.throw(GreenletExit)

    def contents(self) -> Hashable:
        """Return all that its further steps, and the judgement of it, depend on."""
        if self.is_at_rest:
            return self.is_stale, self.connection.under_way()
        return self.next_step, self.must_see, self.has_begun, tuple(self._seen), self.connection.contents()


class Run:
    """One schedule, from its first to its last step."""

    def __init__(self, scene: "Scene") -> None:
        self.redis = ClusterDouble(KEY, moves=Fault.MOVE in scene.faults)
        self.store = SharedLoanStore()
        self.store.customers[CUSTOMER_ID] = RICH
        self.store.loans[CUSTOMER_ID] = [a_loan()]
        self.store.second_pass_is_due = {Fault.REDIS_FAILOVER, Fault.HALF_MOVED}.isdisjoint(scene.faults)
        self.answered: set[int] = set()
        """The loans that somebody has had an answer for."""
        self.accused = False
        """Whether the inspection has found an entry wrong."""
        self._scene = scene
        self._to_come = set(scene.faults)
        self._happened: set[Fault] = set()
        self._key = IDEMPOTENCY_KEY if "p" in scene.cast else None
        if scene.warm:
            self._check(OURS(self._at_once()), SteppedStore(self.store, AtOnce()))
        # Where a slot moves, every other one asks the target first, as one does who has heard of it.
        gates = "ab" if Fault.MOVE in scene.faults else "a"
        self._actors = [
            Actor(f"{role}{n}", self, self._body_of(role), gates[n % len(gates)]) for n, role in enumerate(scene.cast)
        ]

    def moves(self) -> list[Callable[[], object]]:
        """Return whatever could happen next."""
        return [*self._steps(), *self._arrivals(), *self._events()]

    def give_up(self) -> None:
        """End it here."""
        for actor in self._actors:
            actor.give_up()

    def contents(self) -> Hashable:
        """Return all that the rest of the schedule, and the judgement of it, depend on."""
        return (
            self.redis.contents(FORGOTTEN_WRITES if Fault.REDIS_FAILOVER in self._to_come else 0),
            self.store.contents(),
            tuple(actor.contents() for actor in self._actors),
            frozenset(self.answered),
            self.accused,
            frozenset(self._to_come),
            frozenset(self._happened),
        )

    def anomalies(self) -> frozenset[str]:
        """Return the promises that were broken, after everything has come to rest."""
        seen = self._check(self._scene.protocol(self._at_once()), SteppedStore(self.store, AtOnce()))
        stale = BEHIND[seen].loans < len(self.answered) or any(actor.is_stale for actor in self._actors)
        self._come_to_rest()
        entry = from_document(self.redis.value, CUSTOMER_ID, TODAY, POLICY, KEYSPACE.mark)
        true = assess(self.store.credit_record(CUSTOMER_ID, TODAY).record, TODAY, POLICY)
        broken = {"S2": entry is not None and entry != true}
        if Fault.REDIS_FAILOVER not in self._happened:
            broken |= {"S1": stale and not self._s1_is_excused, "S3": self.accused}
        return frozenset(promise for promise, is_broken in broken.items() if is_broken)

    @property
    def _s1_is_excused(self) -> bool:
        moved_out_of_reach = {Fault.MOVE, Fault.SLOW} <= set(self._scene.faults)
        return moved_out_of_reach or Fault.HALF_MOVED in self._happened

    def _steps(self) -> Iterator[Callable[[], None]]:
        for actor in self._actors:
            if actor.is_at_rest:
                continue
            if Fault.KILL in self._to_come and actor.has_begun:
                yield partial(self._strike, Fault.KILL, partial(actor.go_on, None))
            if not actor.ready():
                continue
            yield partial(actor.go_on, Fate.DONE)
            if actor.next_step == "redis":
                if Fault.COMMAND in self._to_come:
                    for fate in (Fate.DROPPED, Fate.UNANSWERED, Fate.LATE):
                        yield partial(self._strike, Fault.COMMAND, partial(actor.go_on, fate))
                if Fault.SLOW in self._to_come:
                    yield partial(actor.go_on, Fate.UNANSWERED)
            if actor.next_step == "commit" and Fault.COMMIT in self._to_come:
                yield partial(self._strike, Fault.COMMIT, partial(actor.go_on, Fate.UNANSWERED))

    def _arrivals(self) -> Iterator[Callable[[], object]]:
        for actor in self._actors:
            yield from actor.connection.arrivals()

    def _events(self) -> Iterator[Callable[[], None]]:
        yield from self.redis.moves()
        if Fault.EXPIRY in self._to_come and self.redis.value.startswith(b"lease:"):
            yield partial(self._strike, Fault.EXPIRY, partial(self.redis.master.put, KEY, None))
        if Fault.HALF_MOVED in self._to_come and self.redis.is_on_the_way:
            yield partial(self._strike, Fault.HALF_MOVED, self.redis.copy)
        if Fault.REDIS_FAILOVER in self._to_come and Fault.MOVE in self._to_come:
            yield partial(self._strike, Fault.REDIS_FAILOVER, self.redis.kill)
        elif Fault.REDIS_FAILOVER in self._to_come:
            for writes in range(1, FORGOTTEN_WRITES + 1):
                yield partial(self._strike, Fault.REDIS_FAILOVER, partial(self.redis.master.forget, writes))
        yield from self.redis.promotions(FORGOTTEN_WRITES)
        if Fault.DEMOTION in self._to_come:
            yield partial(self._strike, Fault.DEMOTION, self.store.fail_over)
        if self.store.demoted is not None:
            yield self.store.names_follow

    def _strike(self, fault: Fault, event: Callable[[], None]) -> None:
        self._to_come.remove(fault)
        self._happened.add(fault)
        event()

    def _at_once(self) -> SteppedConnection:
        """Return a connection of somebody who is alone."""
        return SteppedConnection(self.redis, AtOnce(), gate=self.redis.gate)

    def _body_of(self, role: str) -> Callable[[Actor], None]:
        bodies = {"r": self._read, "w": self._write, "p": self._write, "o": self._update, "s": self._sweep}
        body = (bodies | {"f": self._warm_and_inspect})[role]

        def until_killed(actor: Actor) -> None:
            # The store may be away, too: then there is no answer.
            with suppress(Killed, LendingError):
                body(actor)

        return until_killed

    def _read(self, actor: Actor) -> None:
        actor.score = self._check(self._scene.protocol(actor.connection), actor.store)

    def _write(self, actor: Actor) -> None:
        in_haste = Fault.HASTE in self._scene.faults
        result = create_loan(
            LoanRequest(APPLICATION, actor.name, self._key),
            store=lambda: actor.store,
            scores=self._scene.protocol(actor.connection),
            today=TODAY,
            policy=POLICY,
            cache_use=CacheUse(),
            milliseconds_left=lambda: 100 if in_haste and actor.has_committed else round(5000 * AGES),
            pause=lambda seconds: self._pause(actor, seconds),
            patience=PATIENCE,
        )
        assert result.loan is not None
        self.answered.add(result.loan.loan_id)

    def _pause(self, actor: Actor, seconds: float) -> None:
        """Wait; while an outcome is unknown, as often as it takes the names to lead to the writer."""
        in_doubt = seconds == PATIENCE.pause_while_away
        actor.wait("pause", lambda: not in_doubt or self.store.demoted is None)

    def _update(self, actor: Actor) -> None:
        actor.wait("update", lambda: self.store.demoted is None)
        self.store.update_loan(CUSTOMER_ID, emis_paid_on_time=EMIS_AFTER_CHANGE)

    def _sweep(self, actor: Actor) -> None:
        """Sweep twice, for both passes."""
        if self._scene.protocol.func is NaiveScoreCache:
            return
        for _ in range(2):
            with suppress(CacheAwayError):
                self._refresh(actor.connection, actor.store, actor).sweep()

    def _warm_and_inspect(self, actor: Actor) -> None:
        refresh = self._refresh(actor.connection, actor.store, actor)
        for step in (refresh.warm, refresh.inspect):
            with suppress(CacheAwayError):
                step()
        self.accused = self.accused or bool(refresh.report.mismatches)

    def _come_to_rest(self) -> None:
        """Sweep until nothing is left to be swept."""
        if self._scene.protocol.func is NaiveScoreCache:
            return
        self.store.second_pass_is_due = True
        connection = self._at_once()
        while self.store.invalidations or self.store.swept_once:
            self._refresh(connection, SteppedStore(self.store, AtOnce()), AtOnce()).sweep()

    def _refresh(self, connection: SteppedConnection, store: SteppedStore, pace: Pace) -> CacheRefresh:
        cache = BulkCacheOfOne(connection, KEYSPACE, PATIENCE)
        return CacheRefresh(
            OutboxDouble(self.store, pace), store, cache, lambda: TODAY, lambda _: TODAY, lambda _: POLICY, lambda: 60
        )

    def _check(self, scores: ScoreCache, store: SteppedStore) -> int:
        checked = check_eligibility(
            APPLICATION, store=lambda: store, scores=scores, today=TODAY, policy=POLICY, cache_use=CacheUse()
        )
        return checked.decision.credit_score


class Scene(NamedTuple):
    """Who acts, from what beginning, and what may go wrong."""

    protocol: Protocol
    cast: str
    """A letter each: r reads, w lends, p repeats the w's request with its key, o updates the loans with SQL of its own,
    s sweeps, f warms and inspects."""
    faults: Faults
    warm: bool
    """Whether the score is cached in the beginning."""


@dataclass
class Result:
    """The counts of an exploration."""

    schedules: int = 0
    states: int = 0
    """So many were run; in the others the same would have happened."""
    anomalies: Counter[str] = field(default_factory=Counter)
    """Schedules, by the promise that they break."""
    first: str = ""
    """The first anomaly, with its schedule."""

    def add(self, other: "Result") -> None:
        """Add another's counts."""
        self.schedules += other.schedules
        self.states += other.states
        self.anomalies += other.anomalies
        self.first = self.first or other.first


class Exploration:
    """Goes through all schedules of a scene."""

    def __init__(self, scene: Scene, *, remember: bool = True) -> None:
        """Take the scene, and whether to recognise states: without, each schedule is run from end to end."""
        self._scene = scene
        self._remember = remember
        self._known: dict[int, Counter[str]] = {}
        self._first = ""

    def result(self) -> Result:
        """Return what all schedules came to."""
        counts = self._explore(Run(self._scene), [])
        schedules = counts.pop("schedules")
        return Result(schedules, len(self._known), counts, self._first)

    def _explore(self, run: Run, choices: list[int]) -> Counter[str]:
        """Count what comes of a run that has followed these choices."""
        state = hash(run.contents())
        if self._remember and state in self._known:
            run.give_up()
            return self._known[state]
        counts: Counter[str] = Counter()
        moves = run.moves()
        for choice in range(len(moves)):
            if choice > 0:
                run = self._run_along(choices)
                moves = run.moves()
            moves[choice]()
            counts.update(self._explore(run, [*choices, choice]))
        if not moves:
            counts["schedules"] = 1
            for anomaly in run.anomalies():
                counts[anomaly] = 1
                self._first = self._first or f"{anomaly}: {self._scene}, choices {choices}"
        self._known[state] = counts
        return counts

    def _run_along(self, choices: Sequence[int]) -> Run:
        run = Run(self._scene)
        for choice in choices:
            run.moves()[choice]()
        return run


def explore(scene: Scene) -> Result:
    """Go through all schedules of a scene."""
    return Exploration(scene).result()


def explore_all(protocol: Protocol, casts: Sequence[str], faults: Sequence[Faults]) -> Result:
    """Go through all schedules of each cast, cold and warm, under each of the sets of faults."""
    result = Result()
    for cast, each, warm in product(casts, faults, (False, True)):
        result.add(explore(Scene(protocol, cast, each, warm)))
    return result


def main() -> None:
    """Go through all schedules of ours and of the naive protocol, and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--casts", nargs="*", default=CASTS, help="a letter for each who acts")
    parser.add_argument("--moving", nargs="*", default=CASTS_OF_A_MOVE, help="the same, while the slot moves")
    options = parser.parse_args()
    started_at = time.monotonic()
    print(f"{'cast':12}{'':7}{'schedules':>22}{'states':>10}   S1 / S2 / S3 broken")
    groups = {"": (options.casts, ALONE + TWO_AT_ONCE), " moving": (options.moving, MOVING)}
    first = ""
    with Pool(2) as pool:
        for group, (casts, faults) in groups.items():
            totals = {"ours": Result(), "naive": Result()}
            for cast, (name, protocol) in product(casts, {"ours": OURS, "naive": NAIVE}.items()):
                of_cast = Result()
                for result in pool.imap_unordered(
                    explore, [Scene(protocol, cast, *rest) for rest in product(faults, (False, True))]
                ):
                    of_cast.add(result)
                print(_line(cast + group, name, of_cast), flush=True)
                totals[name].add(of_cast)
            for name, total in totals.items():
                print(_line("all" + group, name, total))
            first = first or totals["ours"].first
    print(f"{time.monotonic() - started_at:.0f} s")
    if first:
        print(f"first of ours: {first}")


def _line(cast: str, name: str, result: Result) -> str:
    broken = " / ".join(f"{result.anomalies[promise]:,}" for promise in ("S1", "S2", "S3"))
    return f"{cast:12}{name:7}{result.schedules:22,}{result.states:10,}   {broken}"


if __name__ == "__main__":
    main()
