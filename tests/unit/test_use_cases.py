"""The use cases on stores in memory: what they ask of them, in which order, and what comes of it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.eligibility import Decision, ReasonCode, decide
from lending.domain.loans import LoanApplication, LoanRequest
from lending.domain.scoring import CreditProfile, assess
from lending.errors import CustomerNotFoundError, LendingError, RequestInProgressError, StoreUnavailableError
from lending.use_cases.cache_use import CacheOutcome, CacheUse
from lending.use_cases.check_eligibility import check_eligibility
from lending.use_cases.create_loan import LoanAnswer, create_loan
from testkit.fakes import Customer, FakeLoanStore, FakeScoreCache, FakeTransaction, a_loan, credit_record

TODAY = date(2024, 6, 15)
ASHA = 1001
UNKNOWN = 4242

HUNDRED_THOUSAND = LoanApplication(ASHA, Decimal(100000), Decimal(12), 12)
BEYOND_MEANS = LoanApplication(ASHA, Decimal(9000000), Decimal(12), 12)


@pytest.fixture
def store() -> FakeLoanStore:
    """A store with one customer, who has repaid three loans."""
    customer = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
    return FakeLoanStore({ASHA: customer}, {ASHA: [a_loan(), a_loan(), a_loan()]})


@pytest.fixture
def scores() -> FakeScoreCache:
    return FakeScoreCache()


@pytest.fixture
def cache_use() -> CacheUse:
    return CacheUse()


@pytest.fixture
def check(store: FakeLoanStore, scores: FakeScoreCache, cache_use: CacheUse) -> Callable[[LoanApplication], Decision]:
    return lambda application: check_eligibility(
        application, store=lambda: store, scores=scores, today=TODAY, cache_use=cache_use
    )


@pytest.fixture
def create(store: FakeLoanStore, scores: FakeScoreCache, cache_use: CacheUse) -> Callable[..., LoanAnswer]:
    def create(application: LoanApplication, key: bytes | None = None) -> LoanAnswer:
        request = LoanRequest(application, request_id="first", idempotency_key=key)
        return create_loan(
            request, store=lambda: store, scores=scores, today=TODAY, cache_use=cache_use, seconds_left=lambda: 10
        )

    return create


@pytest.fixture
def profile(store: FakeLoanStore) -> CreditProfile:
    """The customer's profile as the store has it."""
    return assess(credit_record(ASHA, store.customers[ASHA], store.loans[ASHA], TODAY), TODAY)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of the ports from here on, in order."""
    made: list[str] = []

    def note(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def noted(self: object, *args: object) -> Any:
            made.append(f"{'cache' if owner is FakeScoreCache else 'store'}: {name}")
            return method(self, *args)

        monkeypatch.setattr(owner, name, noted)

    note(FakeLoanStore, "transaction")
    for name in ("lock_customer", "add_loan", "add_decline", "commit"):
        note(FakeTransaction, name)
    for name in ("look_up", "peek", "fill", "announce_write", "finish_write", "retract_write"):
        note(FakeScoreCache, name)
    note(FakeLoanStore, "credit_record")
    return made


def test_a_miss_reads_the_store_once_after_the_lease_and_fills(
    check: Callable[..., Decision],
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
    profile: CreditProfile,
) -> None:
    decision = check(HUNDRED_THOUSAND)

    assert decision == decide(HUNDRED_THOUSAND, profile)
    assert steps == ["cache: look_up", "store: credit_record", "cache: fill"]
    assert scores.held == {ASHA: profile}
    assert cache_use == CacheUse(CacheOutcome.MISS, stored=True)


def test_a_hit_reads_no_store(
    check: Callable[..., Decision],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
    profile: CreditProfile,
) -> None:
    scores.held[ASHA] = profile
    store.away = True

    decision = check(HUNDRED_THOUSAND)

    assert decision == decide(HUNDRED_THOUSAND, profile)
    assert steps == ["cache: look_up"]
    assert cache_use == CacheUse(CacheOutcome.HIT)


def test_a_hit_decides_on_what_the_profile_says(
    check: Callable[..., Decision], scores: FakeScoreCache, profile: CreditProfile
) -> None:
    scores.held[ASHA] = profile._replace(credit_score=10)

    assert check(HUNDRED_THOUSAND).reason_codes == (ReasonCode.CREDIT_SCORE_TOO_LOW,)


def test_without_the_lease_a_miss_stores_nothing(
    check: Callable[..., Decision], scores: FakeScoreCache, steps: list[str], cache_use: CacheUse
) -> None:
    scores.held[ASHA] = b"lease:another"

    check(HUNDRED_THOUSAND)

    assert steps == ["cache: look_up", "store: credit_record"]
    assert scores.held == {ASHA: b"lease:another"}
    assert cache_use == CacheUse(CacheOutcome.MISS)


def test_a_lease_lost_on_the_way_is_told(
    check: Callable[..., Decision],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    cache_use: CacheUse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A writer comes between the lease and the fill."""
    read = store.credit_record

    def read_slowly(customer_id: int, today: date) -> Any:
        record = read(customer_id, today)
        scores.finish_write(ASHA, scores.announce_write(ASHA))
        return record

    monkeypatch.setattr(store, "credit_record", read_slowly)

    check(HUNDRED_THOUSAND)

    assert scores.held == {}
    assert cache_use == CacheUse(CacheOutcome.MISS, stored=False)


def test_with_the_cache_away_a_check_is_answered_all_the_same(
    check: Callable[..., Decision],
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
    profile: CreditProfile,
) -> None:
    scores.away = True

    decision = check(HUNDRED_THOUSAND)

    assert decision == decide(HUNDRED_THOUSAND, profile)
    assert steps == ["cache: look_up", "store: credit_record"]
    assert cache_use == CacheUse(CacheOutcome.BYPASS, bypass="unavailable")


def test_with_the_store_away_a_miss_is_an_error(
    check: Callable[..., Decision], store: FakeLoanStore, cache_use: CacheUse
) -> None:
    store.away = True

    with pytest.raises(StoreUnavailableError):
        check(HUNDRED_THOUSAND)
    assert cache_use == CacheUse(CacheOutcome.MISS)


def test_an_unknown_customer_is_not_cached(check: Callable[..., Decision], scores: FakeScoreCache) -> None:
    with pytest.raises(CustomerNotFoundError):
        check(HUNDRED_THOUSAND._replace(customer_id=UNKNOWN))
    assert not any(isinstance(held, CreditProfile) for held in scores.held.values())


def test_a_loan_is_announced_before_it_is_made_and_the_score_dropped_after_the_commit(
    create: Callable[..., LoanAnswer], store: FakeLoanStore, scores: FakeScoreCache, steps: list[str]
) -> None:
    answer = create(HUNDRED_THOUSAND)

    assert answer.loan_id is not None
    assert steps == [
        "cache: peek",
        "store: transaction",
        "store: lock_customer",
        "store: credit_record",
        "cache: announce_write",
        "store: add_loan",
        "store: commit",
        "cache: finish_write",
    ]
    assert len(store.loans[ASHA]) == 4
    assert scores.held == {}


def test_a_loan_is_lent_as_it_was_decided(create: Callable[..., LoanAnswer], store: FakeLoanStore) -> None:
    """At the corrected rate, from today, for as many calendar months."""
    answer = create(HUNDRED_THOUSAND._replace(interest_rate=Decimal(1)))

    assert answer.decision.corrected_interest_rate == 12
    assert store.loans[ASHA][-1] == a_loan(
        emis_paid_on_time=0, start_date=TODAY, end_date=date(2025, 6, 15), status="APPROVED"
    )


def test_a_loan_drops_the_cached_score(
    create: Callable[..., LoanAnswer], scores: FakeScoreCache, profile: CreditProfile, cache_use: CacheUse
) -> None:
    scores.held[ASHA] = profile

    create(HUNDRED_THOUSAND)

    assert scores.held == {}
    assert cache_use == CacheUse(CacheOutcome.PASSED_ON)


def test_another_writers_marker_outlasts_this_one(
    create: Callable[..., LoanAnswer], scores: FakeScoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_while_another_begins(_: FakeTransaction) -> None:
        scores.held[ASHA] = b"write:another"

    monkeypatch.setattr(FakeTransaction, "commit", commit_while_another_begins)

    create(HUNDRED_THOUSAND)

    assert scores.held == {ASHA: b"write:another"}


def test_the_cache_declines_without_the_store(
    create: Callable[..., LoanAnswer],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
    profile: CreditProfile,
) -> None:
    scores.held[ASHA] = profile
    store.away = True

    answer = create(BEYOND_MEANS)

    assert answer == LoanAnswer(decide(BEYOND_MEANS, profile), None)
    assert steps == ["cache: peek"]
    assert scores.held == {ASHA: profile}
    assert cache_use == CacheUse(CacheOutcome.HIT)


def test_the_cache_never_approves(
    create: Callable[..., LoanAnswer], store: FakeLoanStore, scores: FakeScoreCache, profile: CreditProfile
) -> None:
    """However well the customer stands in the cache, the loan is lent on what the store says."""
    scores.held[ASHA] = profile._replace(credit_score=100, monthly_salary=Decimal(10**9))

    answer = create(BEYOND_MEANS)

    assert answer.decision.reason_codes == (ReasonCode.INSTALLMENTS_OVER_HALF_SALARY,)
    assert answer.loan_id is None
    assert len(store.loans[ASHA]) == 3


def test_with_the_store_away_no_loan_is_made(
    create: Callable[..., LoanAnswer], store: FakeLoanStore, scores: FakeScoreCache, profile: CreditProfile
) -> None:
    scores.held[ASHA] = profile
    store.away = True

    with pytest.raises(StoreUnavailableError):
        create(HUNDRED_THOUSAND)
    assert scores.held == {ASHA: profile}, "nothing was going to be written"


def test_a_decline_by_the_store_writes_nothing(
    create: Callable[..., LoanAnswer], store: FakeLoanStore, scores: FakeScoreCache, steps: list[str]
) -> None:
    answer = create(BEYOND_MEANS)

    assert answer.loan_id is None
    assert steps == ["cache: peek", "store: transaction", "store: lock_customer", "store: credit_record"]
    assert len(store.loans[ASHA]) == 3
    assert scores.held == {}


def test_with_the_cache_away_a_loan_is_made_all_the_same(
    create: Callable[..., LoanAnswer],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
) -> None:
    """The writer still tries to announce it and to drop the score."""
    scores.away = True

    answer = create(HUNDRED_THOUSAND)

    assert answer.loan_id is not None
    assert len(store.loans[ASHA]) == 4
    assert [step for step in steps if step.startswith("cache")] == [
        "cache: peek",
        "cache: announce_write",
        "cache: finish_write",
    ]
    assert cache_use == CacheUse(CacheOutcome.BYPASS, bypass="unavailable", write_failed=True)


@pytest.mark.parametrize("step", ["add_loan", "commit"])
@pytest.mark.parametrize("error", [RuntimeError("bug"), StoreUnavailableError("The loan store is away or busy.")])
def test_what_was_rolled_back_is_retracted(
    step: str,
    error: Exception,
    create: Callable[..., LoanAnswer],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    profile: CreditProfile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The score may be cached again at once, but the old entry went with the announcement."""

    def fail(*_: object) -> None:
        raise error

    scores.held[ASHA] = profile
    monkeypatch.setattr(FakeTransaction, step, fail)

    with pytest.raises(type(error)):
        create(HUNDRED_THOUSAND)

    assert len(store.loans[ASHA]) == 3
    assert scores.held == {}
    assert steps[-1] == "cache: retract_write"
    assert "cache: finish_write" not in steps


@pytest.mark.parametrize(
    ("customer_id", "error"),
    [
        (UNKNOWN, CustomerNotFoundError(UNKNOWN)),
        (ASHA, RequestInProgressError("Another request of this customer is still running.")),
    ],
)
def test_without_the_lock_nothing_is_announced(
    customer_id: int,
    error: LendingError,
    create: Callable[..., LoanAnswer],
    scores: FakeScoreCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(FakeTransaction, "lock_customer", fail)

    with pytest.raises(type(error)):
        create(HUNDRED_THOUSAND._replace(customer_id=customer_id))
    assert scores.held == {}


def test_with_a_key_the_cache_is_not_asked(
    create: Callable[..., LoanAnswer],
    scores: FakeScoreCache,
    steps: list[str],
    profile: CreditProfile,
    cache_use: CacheUse,
) -> None:
    """A decline under a key must be kept with it, which only the store can do."""
    scores.held[ASHA] = profile

    answer = create(BEYOND_MEANS, key=b"key")

    assert answer.loan_id is None
    assert "cache: peek" not in steps
    assert steps[-2:] == ["store: add_decline", "store: commit"]
    assert cache_use == CacheUse()
