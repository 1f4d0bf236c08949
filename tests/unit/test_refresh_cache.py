"""The refresh on stores in memory: what it drops, renews and compares, in which order and how much of it at once."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import repeat
from typing import Any

import pytest

from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, assess
from lending.errors import StoreUnavailableError
from lending.ports import (
    BulkScoreCache,
    BypassReason,
    CacheAwayError,
    CachedProfile,
    Invalidation,
    InvalidationBatch,
    Outbox,
    Renewal,
)
from lending.use_cases.refresh_cache import BATCH, SAMPLE, CacheRefresh, RefreshReport
from testkit.fakes import POLICY, Customer, FakeLoanStore, a_loan, credit_record

TODAY = date(2024, 6, 15)
ASHA, RAVI, GONE = 1001, 1002, 4242
AGE = 7


@dataclass
class Batch(InvalidationBatch):
    """Rows that were handed out, and where their confirmation goes."""

    invalidations: Sequence[Invalidation]
    outbox: "FakeOutbox"

    @property
    def rows(self) -> int:  # type: ignore[override]  # read alone
        return len(self.invalidations)

    def confirm(self, *, except_of: Collection[int] = ()) -> int:
        self.outbox.steps.append("confirm")
        gone = [row for row in self.invalidations if row.customer_id not in except_of]
        self.outbox.rows = [row for row in self.outbox.rows if row not in gone]
        return len(gone)


@dataclass
class FakeOutbox(Outbox):
    """Outbox in memory; `away` makes it unavailable."""

    steps: list[Any]
    rows: list[Invalidation] = field(default_factory=list)
    away: bool = False

    @contextmanager
    def batch(self, limit: int) -> Iterator[Batch]:
        if self.away:
            raise StoreUnavailableError
        yield Batch(self.rows[:limit], self)

    def oldest_seconds(self) -> int:
        return AGE if self.rows else 0

    def pending(self, customer_ids: Sequence[int]) -> set[int]:
        return {row.customer_id for row in self.rows} & set(customer_ids)


@dataclass
class FakeBulkScoreCache(BulkScoreCache):
    """BulkScoreCache in memory; `away` makes it give no reply, an entry of `changed` changes once it is seen."""

    steps: list[Any]
    held: dict[int, CreditProfile] = field(default_factory=dict)
    expiring: list[int] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)
    away: bool = False
    dead_shard: set[int] = field(default_factory=set)
    """Customers whose node is away."""

    def finish_writes(self, invalidations: Sequence[Invalidation]) -> set[int]:
        if self.away:
            raise CacheAwayError(BypassReason.UNAVAILABLE)
        self.steps.append(len(invalidations))
        for invalidation in invalidations:
            self.held.pop(invalidation.customer_id, None)
        return self.dead_shard & {invalidation.customer_id for invalidation in invalidations}

    def pop_expiring(self, limit: int) -> list[int]:
        popped, self.expiring = self.expiring[:limit], self.expiring[limit:]
        return popped

    def entries(self, customer_ids: Sequence[int], today: date, policy: Policy) -> list[CachedProfile]:
        self.steps.append(len(customer_ids))
        seen = [self.held[customer_id] for customer_id in customer_ids if customer_id in self.held]
        return [
            CachedProfile(profile, b"")
            for profile in seen
            if profile.policy == policy and profile.as_of <= today <= profile.valid_through
        ]

    def sample(self, limit: int, today: date, policy: Policy) -> list[CachedProfile]:
        return self.entries(list(self.held)[:limit], today, policy)

    def unready(self, place: int, limit: int, day: date, policy: Policy) -> tuple[int, dict[int, bytes]]:
        ready = {entry.profile.customer_id for entry in self.entries(list(self.held), day, policy)}
        return 0, {customer_id: b"" for customer_id in self.held if customer_id not in ready}

    def replace(self, renewals: Sequence[Renewal]) -> int:
        done = [new.profile for new in renewals if new.profile.customer_id not in self.changed]
        self.held.update({profile.customer_id: profile for profile in done})
        return len(done)

    def discard(self, entries: Sequence[CachedProfile]) -> list[CachedProfile]:
        dropped = [entry for entry in entries if entry.profile.customer_id not in self.changed]
        for entry in dropped:
            del self.held[entry.profile.customer_id]
        return dropped


@pytest.fixture
def store() -> FakeLoanStore:
    """A store with two customers, who have repaid a loan each."""
    customer = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
    return FakeLoanStore({ASHA: customer, RAVI: customer}, {ASHA: [a_loan()], RAVI: [a_loan()]})


@pytest.fixture
def steps() -> list[Any]:
    """What was done, in order: the size of what the cache was given, and each confirmation."""
    return []


@pytest.fixture
def outbox(steps: list[Any]) -> FakeOutbox:
    return FakeOutbox(steps)


@pytest.fixture
def cache(steps: list[Any]) -> FakeBulkScoreCache:
    return FakeBulkScoreCache(steps)


def refreshed(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, seconds_left: float = 60, sweeps: int = 1
) -> RefreshReport:
    """Run with so many sweeps, a second apart, of which none passes here."""
    pauses = iter([True] * (sweeps - 1))
    return CacheRefresh(
        outbox, store, cache, lambda: TODAY, lambda _: TODAY, lambda _: POLICY, lambda: seconds_left
    ).run(lambda _: next(pauses, False))


def fresh(store: FakeLoanStore, customer_id: int, /, **fields: Any) -> CreditProfile:
    """Return the profile that the store comes to, but for what `fields` say."""
    record = credit_record(customer_id, store.customers[customer_id], store.loans[customer_id], TODAY)
    return assess(record, TODAY, POLICY)._replace(**fields)


def invalidations(number: int) -> list[Invalidation]:
    return [Invalidation(customer_id, (b"write:gone",)) for customer_id in range(number)]


def test_with_nothing_to_do_the_store_is_not_asked(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        pytest.fail("asked for the records of nobody")

    monkeypatch.setattr(FakeLoanStore, "credit_records", fail)

    assert refreshed(outbox, store, cache) == RefreshReport(oldest_seconds=0)


def test_a_sweep_drops_what_the_outbox_names_batch_by_batch_and_confirms_each(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, steps: list[Any]
) -> None:
    outbox.rows = invalidations(2 * BATCH + 1)
    cache.held = {2 * BATCH: fresh(store, ASHA)}

    report = refreshed(outbox, store, cache)

    assert steps[:6] == [BATCH, "confirm", BATCH, "confirm", 1, "confirm"]
    assert cache.held == {}
    assert outbox.rows == []
    assert report == RefreshReport(swept=2 * BATCH + 1, oldest_seconds=0)


def test_what_the_cache_does_not_confirm_stays_in_the_outbox(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    outbox.rows = invalidations(3)
    cache.away = True

    report = refreshed(outbox, store, cache)

    assert outbox.rows == invalidations(3)
    assert (report.swept, report.oldest_seconds) == (0, AGE)
    assert {step: type(failure) for step, failure in report.failures.items()} == {"sweep": CacheAwayError}


def test_customers_of_a_dead_shard_wait_and_nobody_waits_for_them(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    outbox.rows = invalidations(3)
    cache.dead_shard = {1}

    report = refreshed(outbox, store, cache)

    assert report.swept == 2
    assert [row.customer_id for row in outbox.rows] == [1]
    assert report.oldest_seconds == AGE


@pytest.mark.parametrize(("seconds_left", "left"), [(10.0, 1), (10.1, 0)])
def test_with_ten_seconds_left_no_batch_begins(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, seconds_left: float, left: int
) -> None:
    outbox.rows = invalidations(1)
    cache.expiring = [ASHA]

    refreshed(outbox, store, cache, seconds_left)

    assert len(outbox.rows) == left
    assert len(cache.expiring) == left


def test_the_next_sweep_may_be_waited_for_while_ten_seconds_are_left(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    waits: list[float] = []

    def wait_once(most_seconds: float) -> bool:
        waits.append(most_seconds)
        return len(waits) == 1

    CacheRefresh(outbox, store, cache, lambda: TODAY, lambda _: TODAY, lambda _: POLICY, lambda: 55).run(wait_once)

    assert waits == [45, 45]


def test_an_outbox_that_is_away_keeps_no_other_step_from_its_work(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    outbox.away = True
    cache.held = {ASHA: fresh(store, ASHA)}
    cache.expiring = [ASHA]

    report = refreshed(outbox, store, cache)

    assert (report.warmed, report.inspected) == (1, 1)
    assert {step: type(failure) for step, failure in report.failures.items()} == {"sweep": StoreUnavailableError}


def test_an_entry_that_is_wanted_becomes_what_the_store_says(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    cache.held = {ASHA: fresh(store, ASHA, as_of=TODAY - timedelta(days=1)), RAVI: fresh(store, RAVI)}
    cache.expiring = [ASHA]

    report = refreshed(outbox, store, cache)

    assert cache.held == {ASHA: fresh(store, ASHA), RAVI: fresh(store, RAVI)}
    assert (report.warmed, report.failures) == (1, {})


def test_only_entries_that_are_there_and_known_and_unchanged_are_renewed(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    """The others: one that has gone, one whose customer has, one that a writer dropped after it was seen."""
    cache.held = {GONE: fresh(store, ASHA, customer_id=GONE), RAVI: fresh(store, RAVI)}
    cache.expiring = [ASHA, GONE, RAVI]
    cache.changed = {RAVI}

    report = refreshed(outbox, store, cache)

    assert ASHA not in cache.held
    assert (report.warmed, report.failures) == (0, {})


@pytest.mark.parametrize("sweeps", [1, 2, 4])
def test_entries_are_renewed_batch_by_batch_and_all_by_the_end(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, steps: list[Any], sweeps: int
) -> None:
    """Between sweeps one batch each; where the last sweep was the first one, the rest after it."""
    cache.held = {ASHA: fresh(store, ASHA), RAVI: fresh(store, RAVI)}
    cache.expiring = [ASHA, *repeat(GONE, 2 * BATCH - 1), RAVI]

    report = refreshed(outbox, store, cache, sweeps=sweeps)

    assert [step for step in steps if step in {BATCH, 1}] == [BATCH, BATCH, 1]
    assert (report.warmed, report.failures) == (2, {})


@pytest.mark.parametrize(
    "wrong",
    [{"credit_score": 99}, {"room_for_installments": Decimal(1)}, {"valid_through": date(2025, 1, 1)}],
)
def test_an_entry_that_is_not_what_the_store_says_is_dropped_and_reported(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, wrong: dict[str, Any]
) -> None:
    lie = fresh(store, RAVI, **wrong)
    cache.held = {ASHA: fresh(store, ASHA, as_of=TODAY - timedelta(days=9)), RAVI: lie}

    report = refreshed(outbox, store, cache)

    assert list(cache.held) == [ASHA], "the day an entry was made on makes it no other"
    assert report.inspected == 2
    assert [entry.profile for entry in report.mismatches] == [lie]
    assert report.failures == {}


@pytest.mark.parametrize(("known_here", "known_there"), [(date.max, TODAY), (TODAY, date.max)])
def test_an_entry_may_be_of_a_release_that_knows_of_another_next_policy(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, known_here: date, known_there: date
) -> None:
    """It then ends on another day, but with the hash of its policy in any case."""
    here, there = (POLICY._replace(last_day=day) for day in (known_here, known_there))
    ends = fresh(store, ASHA, valid_through=min(there.last_day, date(2024, 12, 31)))
    cache.held = {ASHA: ends._replace(policy=here)}

    refresh = CacheRefresh(outbox, store, cache, lambda: TODAY, lambda _: TODAY, lambda _: here, lambda: 60)

    assert refresh.run(lambda _: False).mismatches == []


def test_where_sweeps_are_rare_one_run_makes_all_entries_ready_for_a_policy(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    """A step takes half a second at most, here enough for one entry; the rest is done when no sweep waits for it."""
    cache.held = {customer_id: fresh(store, customer_id) for customer_id in (ASHA, RAVI)}
    following = POLICY._replace(hash="2" * 32, effective_from=TODAY)
    time_left = iter(range(600, 0, -1))
    unready = cache.unready

    def one_at_a_time(place: int, limit: int, day: date, policy: Policy) -> tuple[int, dict[int, bytes]]:
        _, entries = unready(place, limit, day, policy)
        return max(len(entries) - 1, 0), dict(list(entries.items())[:1])

    cache.unready = one_at_a_time  # type: ignore[method-assign]
    refresh = CacheRefresh(
        *(outbox, store, cache, lambda: TODAY),
        lambda seconds: TODAY if seconds > 0 else TODAY - timedelta(days=1),
        lambda day: following if day == TODAY else POLICY,
        lambda: next(time_left),
    )

    assert refresh.run(lambda _: False).warmed == 2
    assert {profile.policy for profile in cache.held.values()} == {following}


def test_an_entry_of_a_customer_who_has_gone_is_wrong(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    cache.held = {GONE: fresh(store, ASHA, customer_id=GONE)}

    report = refreshed(outbox, store, cache)

    assert cache.held == {}
    assert len(report.mismatches) == 1


def test_an_entry_that_changed_since_it_was_seen_proves_nothing(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    cache.held = {ASHA: fresh(store, ASHA, credit_score=99)}
    cache.changed = {ASHA}

    assert refreshed(outbox, store, cache).mismatches == []


def test_a_sample_is_inspected_and_no_more(outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache) -> None:
    cache.held = {number: fresh(store, ASHA, customer_id=number) for number in range(1, SAMPLE + 2)}

    report = refreshed(outbox, store, cache)

    assert report.inspected == SAMPLE
    assert len(report.mismatches) == SAMPLE


def test_it_sweeps_again_and_again_and_inspects_once(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps: list[int] = []

    def one_more(cache: FakeBulkScoreCache, _: Sequence[Invalidation]) -> None:
        sweeps.append(len(sweeps))
        cache.held = {ASHA: fresh(store, ASHA)}

    monkeypatch.setattr(FakeBulkScoreCache, "finish_writes", one_more)

    report = refreshed(outbox, store, cache, sweeps=3)

    assert sweeps == [0, 1, 2]
    assert report.inspected == 1


def test_a_step_that_failed_and_then_succeeded_is_no_failure(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    outbox.rows = invalidations(3)
    cache.away = True

    def come_back(_: float) -> bool:
        cache.away, was_away = False, cache.away
        return was_away

    report = CacheRefresh(outbox, store, cache, lambda: TODAY, lambda _: TODAY, lambda _: POLICY, lambda: 60).run(
        come_back
    )

    assert (report.swept, report.failures) == (3, {})


def test_a_customer_with_an_invalidation_to_be_swept_is_not_accused(
    outbox: FakeOutbox, store: FakeLoanStore, cache: FakeBulkScoreCache
) -> None:
    cache.held = {ASHA: fresh(store, ASHA, credit_score=99), RAVI: fresh(store, RAVI, credit_score=99)}
    outbox.rows = [Invalidation(ASHA, ())]
    outbox.away = True  # for the sweep

    report = refreshed(outbox, store, cache)

    assert [entry.profile.customer_id for entry in report.mismatches] == [RAVI]
