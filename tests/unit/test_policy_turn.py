"""Around the midnight at which a policy begins, the refresh renews entries for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, assess
from lending.ports import CachedProfile, Renewal
from lending.use_cases.refresh_cache import BATCH, TURN_SECONDS, CacheRefresh
from testkit.fakes import POLICY, Customer, FakeLoanStore, a_loan, credit_record

ASHA, RAVI, GONE = 1001, 1002, 1003
LAST_DAY, FIRST_DAY = date(2026, 12, 31), date(2027, 1, 1)
OLD = POLICY._replace(hash="old", last_day=LAST_DAY)
NEW = POLICY._replace(hash="new", effective_from=FIRST_DAY, weights=POLICY.weights._replace(punctuality=10, volume=50))


def policy_of(day: date) -> Policy:
    return OLD if day <= LAST_DAY else NEW


@dataclass
class Cache:
    """A cache whose entries come in the given portions; takes down what it is asked and given."""

    portions: dict[int, tuple[int, dict[int, bytes]]] = field(default_factory=dict)
    """Where the walk goes on and what is unready, by the place that is asked for."""
    asked: list[tuple[int, int, date, Policy]] = field(default_factory=list)
    renewals: list[Renewal] = field(default_factory=list)
    expiring: list[int] = field(default_factory=list)

    def unready(self, place: int, limit: int, day: date, policy: Policy) -> tuple[int, dict[int, bytes]]:
        self.asked.append((place, limit, day, policy))
        return self.portions[place]

    def replace(self, renewals: Sequence[Renewal]) -> int:
        self.renewals += sorted(renewals, key=lambda renewal: renewal.profile.customer_id)
        return len(renewals)

    def pop_expiring(self, limit: int) -> list[int]:
        popped, self.expiring = self.expiring[:limit], self.expiring[limit:]
        return popped

    def entries(self, customer_ids: Sequence[int], today: date, policy: Policy) -> list[CachedProfile]:
        return [CachedProfile(profile(c, today)._replace(policy=policy), b"seen %d" % c) for c in customer_ids]


@pytest.fixture
def store() -> FakeLoanStore:
    customer = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
    return FakeLoanStore({ASHA: customer, RAVI: customer}, {ASHA: [a_loan()], RAVI: [a_loan()] * 2})


STORED = {ASHA: 1, RAVI: 2}


def profile(customer_id: int, day: date) -> CreditProfile:
    """Return what the store comes to on a day, under the policy of that day."""
    customer = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
    record = credit_record(customer_id, customer, [a_loan()] * STORED[customer_id], day)
    return assess(record, day, policy_of(day))


def refresh(cache: Cache, store: FakeLoanStore, today: date, seconds_left: Callable[[], float]) -> CacheRefresh:
    """Return a refresh half an hour before or after the midnight between the policies."""

    def day_in(seconds: float) -> date:
        assert abs(seconds) == TURN_SECONDS
        return FIRST_DAY if seconds > 0 else LAST_DAY

    return CacheRefresh(cast("Any", None), store, cast("Any", cache), lambda: today, day_in, policy_of, seconds_left)


def test_before_it_an_entry_gets_the_next_days_profile_beside_todays(store: FakeLoanStore) -> None:
    cache = Cache({0: (0, {ASHA: b"seen", GONE: b"gone", RAVI: b"too"})})
    run = refresh(cache, store, LAST_DAY, lambda: 60)

    assert not run.turn()
    assert cache.asked == [(0, BATCH, FIRST_DAY, NEW)]
    assert cache.renewals == [
        Renewal(text, profile(customer, LAST_DAY), profile(customer, FIRST_DAY))
        for customer, text in ((ASHA, b"seen"), (RAVI, b"too"))
    ]
    assert run.report.warmed == 2


def test_after_it_an_entry_becomes_the_new_days_profile(store: FakeLoanStore) -> None:
    cache = Cache({0: (0, {ASHA: b"seen"})})

    assert not refresh(cache, store, FIRST_DAY, lambda: 60).turn()
    assert cache.renewals == [Renewal(b"seen", profile(ASHA, FIRST_DAY), None)]


def test_a_customer_who_goes_between_the_two_reads_is_left_alone(
    store: FakeLoanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FakeLoanStore.credit_records

    def read_and_lose(self: FakeLoanStore, customer_ids: Sequence[int], today: date) -> Any:
        records = read(self, customer_ids, today)
        self.customers.pop(ASHA, None)
        return records

    monkeypatch.setattr(FakeLoanStore, "credit_records", read_and_lose)
    cache = Cache({0: (0, {ASHA: b"seen", RAVI: b"too"})})

    refresh(cache, store, LAST_DAY, lambda: 60).turn()

    assert [renewal.profile.customer_id for renewal in cache.renewals] == [RAVI]


def test_far_from_a_turn_nothing_is_looked_at(store: FakeLoanStore) -> None:
    cache, day = Cache(), LAST_DAY - timedelta(days=7)
    run = CacheRefresh(cast("Any", None), store, cast("Any", cache), lambda: day, lambda _: day, policy_of, lambda: 60)

    assert not run.turn()
    assert cache.asked == []


def test_without_time_nothing_is_looked_at(store: FakeLoanStore) -> None:
    cache = Cache(expiring=[ASHA] * BATCH)
    run = refresh(cache, store, LAST_DAY, lambda: 10)

    assert not run.turn()
    assert not run.warm()
    assert (cache.asked, len(cache.expiring)) == ([], BATCH)


def test_the_walk_goes_on_for_half_a_second_and_then_where_it_was(store: FakeLoanStore) -> None:
    cache = Cache({0: (7, {ASHA: b"a"}), 7: (1, {}), 1: (0, {RAVI: b"r"})})
    moments = iter([60.0, 60.0, 59.5, 59.4, 58.0, 58.0, 57.9])
    run = refresh(cache, store, LAST_DAY, lambda: next(moments))

    assert run.turn(), "there is more"
    assert [place for place, *_ in cache.asked] == [0, 7]
    assert not run.turn()
    assert [place for place, *_ in cache.asked] == [0, 7, 1]
    assert [renewal.profile.customer_id for renewal in cache.renewals] == [ASHA, RAVI]


def test_a_renewed_entry_stands_in_for_what_was_seen(store: FakeLoanStore) -> None:
    cache = Cache(expiring=[ASHA, RAVI])

    assert not refresh(cache, store, LAST_DAY, lambda: 60).warm()
    assert cache.renewals == [Renewal(b"seen %d" % customer, profile(customer, LAST_DAY)) for customer in (ASHA, RAVI)]
