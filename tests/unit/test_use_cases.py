"""The use cases on stores in memory: what they ask of them, in which order, and what comes of it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import repeat
from typing import Any

import pytest

from lending.domain.eligibility import Decision, ReasonCode, decide
from lending.domain.loans import LoanApplication, LoanRequest
from lending.domain.scoring import CreditProfile, assess
from lending.errors import (
    CustomerNotFoundError,
    IdempotencyMismatchError,
    LendingError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
)
from lending.patience import Patience
from lending.ports import BypassReason
from lending.use_cases.cache_use import CacheOutcome, CacheUse
from lending.use_cases.check_eligibility import check_eligibility
from lending.use_cases.create_loan import LoanResult, create_loan
from testkit.fakes import POLICY, Customer, FakeLoanStore, FakeScoreCache, FakeTransaction, a_loan, credit_record

TODAY = date(2024, 6, 15)
ASHA = 1001
UNKNOWN = 4242

PATIENCE = Patience()

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
    return lambda application: (
        check_eligibility(
            application, store=lambda: store, scores=scores, today=TODAY, policy=POLICY, cache_use=cache_use
        ).decision
    )


@pytest.fixture
def create(store: FakeLoanStore, scores: FakeScoreCache, cache_use: CacheUse) -> Callable[..., LoanResult]:
    def create(application: LoanApplication, key: bytes | None = None, request_id: str = "first") -> LoanResult:
        request = LoanRequest(application, request_id, idempotency_key=key)
        clock = repeat(10.0, 50)  # and then the time is over
        return create_loan(
            request,
            store=lambda: store,
            scores=scores,
            today=TODAY,
            policy=POLICY,
            cache_use=cache_use,
            milliseconds_left=lambda: round(1000 * next(clock, 0.0)),
            pause=lambda _: None,
            patience=PATIENCE,
        )

    return create


@pytest.fixture
def create_within(store: FakeLoanStore, scores: FakeScoreCache, cache_use: CacheUse) -> Callable[..., LoanResult]:
    """Lend while the clock says these seconds, one after the other, and the last of them from then on."""

    def create(
        seconds_left: list[float], application: LoanApplication = HUNDRED_THOUSAND, key: bytes | None = None
    ) -> LoanResult:
        clock = iter(seconds_left)
        return create_loan(
            LoanRequest(application, request_id="first", idempotency_key=key),
            store=lambda: store,
            scores=scores,
            today=TODAY,
            policy=POLICY,
            cache_use=cache_use,
            milliseconds_left=lambda: round(1000 * next(clock, seconds_left[-1])),
            pause=lambda _: None,
            patience=PATIENCE,
        )

    return create


@pytest.fixture
def profile(store: FakeLoanStore) -> CreditProfile:
    """The customer's profile as the store has it."""
    return assess(credit_record(ASHA, store.customers[ASHA], store.loans[ASHA], TODAY), TODAY, POLICY)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of the ports from here on, in order."""
    made: list[str] = []

    def note(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def noted(self: object, *args: object, **named: object) -> Any:
            made.append(f"{'cache' if owner is FakeScoreCache else 'store'}: {name}")
            return method(self, *args, **named)

        monkeypatch.setattr(owner, name, noted)

    note(FakeLoanStore, "transaction")
    for name in ("lock", "add_loan", "add_decline", "commit"):
        note(FakeTransaction, name)
    for name in ("look_up", "peek", "fill", "begin_write", "confirm_write", "finish_write", "retract_write"):
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


def test_a_lease_lost_on_the_way_is_reported(
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
        scores.confirm_write(ASHA, b"write:another")
        scores.finish_write(ASHA, b"write:another")
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
    assert cache_use == CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.UNAVAILABLE)


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


def test_the_marker_is_sent_before_a_loan_is_made_there_before_the_commit_and_gone_after_it(
    create: Callable[..., LoanResult], store: FakeLoanStore, scores: FakeScoreCache, steps: list[str]
) -> None:
    answer = create(HUNDRED_THOUSAND)

    assert answer.loan is not None
    assert steps == [
        "cache: peek",
        "store: transaction",
        "store: lock",
        "store: credit_record",
        "cache: begin_write",
        "store: add_loan",
        "cache: confirm_write",
        "store: commit",
        "cache: finish_write",
    ]
    assert len(store.loans[ASHA]) == 4
    assert scores.held == {}


def test_a_loan_is_lent_as_it_was_decided(create: Callable[..., LoanResult], store: FakeLoanStore) -> None:
    """At the corrected rate, from today, for as many calendar months."""
    answer = create(HUNDRED_THOUSAND._replace(interest_rate=Decimal(1)))

    assert answer.decision.corrected_interest_rate == 12
    assert store.loans[ASHA][-1] == a_loan(
        emis_paid_on_time=0, start_date=TODAY, end_date=date(2025, 6, 15), status="APPROVED"
    )


def test_a_loan_drops_the_cached_score(
    create: Callable[..., LoanResult], scores: FakeScoreCache, profile: CreditProfile, cache_use: CacheUse
) -> None:
    scores.held[ASHA] = profile

    create(HUNDRED_THOUSAND)

    assert scores.held == {}
    assert cache_use == CacheUse(CacheOutcome.PASSED_ON)


def test_another_writers_marker_outlasts_this_one(
    create: Callable[..., LoanResult], scores: FakeScoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_while_another_begins(_: FakeTransaction) -> None:
        scores.held[ASHA] = b"write:another"

    monkeypatch.setattr(FakeTransaction, "commit", commit_while_another_begins)

    create(HUNDRED_THOUSAND)

    assert scores.held == {ASHA: b"write:another"}


def test_the_cache_declines_without_the_store(
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
    profile: CreditProfile,
) -> None:
    scores.held[ASHA] = profile
    store.away = True

    answer = create(BEYOND_MEANS)

    assert answer == LoanResult(decide(BEYOND_MEANS, profile), None, profile)
    assert steps == ["cache: peek"]
    assert scores.held == {ASHA: profile}
    assert cache_use == CacheUse(CacheOutcome.HIT)


def test_the_cache_never_approves(
    create: Callable[..., LoanResult], store: FakeLoanStore, scores: FakeScoreCache, profile: CreditProfile
) -> None:
    """However well the customer stands in the cache, the loan is lent on what the store says."""
    scores.held[ASHA] = profile._replace(credit_score=100, room_for_installments=Decimal(10**9))

    answer = create(BEYOND_MEANS)

    assert answer.decision.reason_codes == (ReasonCode.INSTALLMENTS_OVER_HALF_SALARY,)
    assert answer.loan is None
    assert len(store.loans[ASHA]) == 3


def test_with_the_store_away_no_loan_is_made(
    create: Callable[..., LoanResult], store: FakeLoanStore, scores: FakeScoreCache, profile: CreditProfile
) -> None:
    scores.held[ASHA] = profile
    store.away = True

    with pytest.raises(StoreUnavailableError):
        create(HUNDRED_THOUSAND)
    assert scores.held == {ASHA: profile}, "nothing was going to be written"


def test_a_decline_by_the_store_writes_nothing(
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    profile: CreditProfile,
) -> None:
    answer = create(BEYOND_MEANS)

    assert answer.loan is None
    assert answer.profile == profile
    assert steps == ["cache: peek", "store: transaction", "store: lock", "store: credit_record"]
    assert len(store.loans[ASHA]) == 3
    assert scores.held == {}


def test_with_the_cache_away_a_loan_is_made_all_the_same(
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    cache_use: CacheUse,
) -> None:
    """The writer still tries to put its marker and to drop the score."""
    scores.away = True

    answer = create(HUNDRED_THOUSAND)

    assert answer.loan is not None
    assert len(store.loans[ASHA]) == 4
    assert [step for step in steps if step.startswith("cache")] == [
        "cache: peek",
        "cache: begin_write",
        "cache: confirm_write",
        "cache: finish_write",
    ]
    assert cache_use == CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.UNAVAILABLE, unconfirmed=True)


@pytest.mark.parametrize("step", ["add_loan", "commit"])
@pytest.mark.parametrize("error", [RuntimeError("bug"), StoreUnavailableError()])
def test_what_was_rolled_back_is_retracted(
    step: str,
    error: Exception,
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    steps: list[str],
    profile: CreditProfile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The score may be cached again at once, but the old entry went when the marker was put."""

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
        (ASHA, RequestInProgressError()),
    ],
)
def test_without_the_lock_no_marker_is_put(
    customer_id: int,
    error: LendingError,
    create: Callable[..., LoanResult],
    scores: FakeScoreCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(FakeTransaction, "lock", fail)

    with pytest.raises(type(error)):
        create(HUNDRED_THOUSAND._replace(customer_id=customer_id))
    assert scores.held == {}


def test_with_a_key_the_cache_is_not_asked(
    create: Callable[..., LoanResult],
    scores: FakeScoreCache,
    steps: list[str],
    profile: CreditProfile,
    cache_use: CacheUse,
) -> None:
    """A decline under a key must be kept with it, which only the store can do."""
    scores.held[ASHA] = profile

    answer = create(BEYOND_MEANS, key=b"key")

    assert answer.loan is None
    assert "cache: peek" not in steps
    assert steps[-2:] == ["store: add_decline", "store: commit"]
    assert cache_use == CacheUse()


def lost_commits(store: FakeLoanStore, *, durable: bool, times: int = 1) -> Callable[[FakeTransaction], None]:
    """Return a commit whose reply is lost so many times, after or before it has counted; the next ones are sound."""
    commit = FakeTransaction.commit
    losses = iter(range(times))

    def lose(transaction: FakeTransaction) -> None:
        if next(losses, None) is None:
            commit(transaction)
            return
        if durable:
            commit(transaction)
        raise OutcomeUnknownError

    assert store.loans
    return lose


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("key", [b"key", None])
def test_after_a_lost_commit_the_request_answers_what_is_true(
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    monkeypatch: pytest.MonkeyPatch,
    key: bytes | None,
    *,
    durable: bool,
    profile: CreditProfile,
) -> None:
    monkeypatch.setattr(FakeTransaction, "commit", lost_commits(store, durable=durable))

    result = create(HUNDRED_THOUSAND, key=key)

    assert result.loan is not None
    assert not result.replayed
    assert result.profile == profile, "its record explains it"
    assert len(store.loans[ASHA]) == 4
    assert scores.held == {}


def test_a_decline_whose_reply_was_lost_tells_the_profile_that_it_rests_on(
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    monkeypatch: pytest.MonkeyPatch,
    profile: CreditProfile,
) -> None:
    monkeypatch.setattr(FakeTransaction, "commit", lost_commits(store, durable=True))

    result = create(BEYOND_MEANS, key=b"key")

    assert (result.loan, result.profile, result.first_request_id) == (None, profile, None)


def test_a_loan_that_somebody_has_looked_for_in_vain_was_not_made(
    create: Callable[..., LoanResult], store: FakeLoanStore, scores: FakeScoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is lost, the next try finds no loan and fails in its turn: nothing was lent, and the marker goes."""

    def fail(*_: object) -> None:
        raise StoreUnavailableError

    def lose_and_break(_: FakeTransaction) -> None:
        monkeypatch.setattr(FakeTransaction, "add_loan", fail)
        raise OutcomeUnknownError

    monkeypatch.setattr(FakeTransaction, "commit", lose_and_break)

    with pytest.raises(StoreUnavailableError):
        create(HUNDRED_THOUSAND)

    assert len(store.loans[ASHA]) == 3
    assert scores.held == {}


@pytest.mark.parametrize(("key", "advice"), [(b"key", "with its Idempotency-Key again"), (None, "may lend twice")])
def test_who_cannot_be_told_the_outcome_is_told_whether_to_send_it_again(
    create_within: Callable[..., LoanResult],
    store: FakeLoanStore,
    monkeypatch: pytest.MonkeyPatch,
    profile: CreditProfile,
    key: bytes | None,
    advice: str,
) -> None:
    monkeypatch.setattr(FakeTransaction, "commit", lost_commits(store, durable=False))

    with pytest.raises(OutcomeUnknownError, match=advice) as unknown:
        create_within([10, 10, 2.9], key=key)

    assert unknown.value.decided == LoanResult(decide(HUNDRED_THOUSAND, profile), None, profile)


@pytest.mark.parametrize("application", [HUNDRED_THOUSAND, BEYOND_MEANS])
def test_a_result_tells_the_profile_that_it_rests_on(
    create: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    profile: CreditProfile,
    application: LoanApplication,
) -> None:
    checked = check_eligibility(
        application, store=lambda: store, scores=scores, today=TODAY, policy=POLICY, cache_use=CacheUse()
    )

    assert checked.profile == profile
    assert create(application, key=b"key").profile == profile


def test_while_nobody_can_look_the_marker_stays(
    create_within: Callable[..., LoanResult],
    store: FakeLoanStore,
    scores: FakeScoreCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeTransaction, "commit", lost_commits(store, durable=False))

    with pytest.raises(OutcomeUnknownError):
        create_within([10, 10, 2.9])

    assert isinstance(scores.held[ASHA], bytes)


@pytest.mark.parametrize("application", [HUNDRED_THOUSAND, BEYOND_MEANS])
def test_nothing_is_committed_with_less_than_two_seconds_left(
    create_within: Callable[..., LoanResult],
    store: FakeLoanStore,
    steps: list[str],
    application: LoanApplication,
) -> None:
    with pytest.raises(StoreUnavailableError):
        create_within([10, 1.9], application, key=b"key")

    assert "store: commit" not in steps
    assert len(store.loans[ASHA]) == 3
    assert store.answers == []


def test_with_too_little_time_no_transaction_begins(create_within: Callable[..., LoanResult], steps: list[str]) -> None:
    with pytest.raises(StoreUnavailableError):
        create_within([2.9])

    assert "store: transaction" not in steps


def test_a_decline_under_a_key_is_kept_as_it_was_answered(
    create: Callable[..., LoanResult], store: FakeLoanStore
) -> None:
    declined = create(BEYOND_MEANS, key=b"key")
    store.customers[ASHA] = store.customers[ASHA]._replace(monthly_salary=Decimal(10**9))

    assert create(BEYOND_MEANS, key=b"key") == declined._replace(profile=None)


def test_a_loan_leaves_an_invalidation_with_its_marker(
    create: Callable[..., LoanResult], store: FakeLoanStore, scores: FakeScoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeScoreCache, "finish_write", lambda *_, **__: False)

    create(HUNDRED_THOUSAND)

    assert [each.customer_id for each in store.invalidations] == [ASHA]
    assert [each.markers for each in store.invalidations] == [(scores.held[ASHA],)]


def test_a_repeated_request_finishes_what_a_killed_one_began(
    create: Callable[..., LoanResult], scores: FakeScoreCache
) -> None:
    first = create(HUNDRED_THOUSAND, key=b"key")
    scores.held[ASHA] = b"write:first"

    second = create(HUNDRED_THOUSAND, key=b"key", request_id="second")

    assert second == first._replace(profile=None, first_request_id="first")
    assert scores.held == {}


def test_a_repeated_decline_has_nothing_to_finish(
    create: Callable[..., LoanResult], scores: FakeScoreCache, steps: list[str]
) -> None:
    create(BEYOND_MEANS, key=b"key")
    scores.held[ASHA] = b"write:another"

    create(BEYOND_MEANS, key=b"key", request_id="second")

    assert scores.held == {ASHA: b"write:another"}
    assert "cache: finish_write" not in steps


@pytest.mark.parametrize(("seconds_left", "unconfirmed"), [(PATIENCE.time_to_answer, False), (0.49, True)])
def test_without_time_for_its_reply_the_drop_is_sent_all_the_same(
    create_within: Callable[..., LoanResult],
    scores: FakeScoreCache,
    cache_use: CacheUse,
    seconds_left: float,
    *,
    unconfirmed: bool,
) -> None:
    create_within([10, 10, seconds_left])

    assert scores.held == {}
    assert cache_use.unconfirmed == unconfirmed


def test_a_key_that_came_with_another_body_is_refused(
    create: Callable[..., LoanResult], store: FakeLoanStore, scores: FakeScoreCache
) -> None:
    create(HUNDRED_THOUSAND, key=b"key")

    with pytest.raises(IdempotencyMismatchError):
        create(HUNDRED_THOUSAND._replace(tenure=24), key=b"key")
    assert len(store.loans[ASHA]) == 4
    assert scores.held == {}
