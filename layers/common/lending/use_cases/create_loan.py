"""Lend it, or say why not: once, whatever happens on the way."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from lending.domain.eligibility import Decision, decide
from lending.domain.loans import LoanMade, LoanRequest, end_of_tenure
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, assess
from lending.errors import IdempotencyMismatchError
from lending.patience import Patience
from lending.ports import EarlierResult, LoanStore, LoanTransaction, ScoreCache
from lending.use_cases.cache_use import CacheOutcome, CacheUse
from lending.use_cases.cache_write import CacheWrite
from lending.use_cases.tries import Tries


class LoanResult(NamedTuple):
    """What a request to lend came to."""

    decision: Decision
    loan: LoanMade | None
    """The loan that was made; None for a decline."""
    profile: CreditProfile | None = None
    """On which it was decided; None where another request did that."""
    first_request_id: str | None = None
    """The request that came to this result, where this one with the same key only found it."""

    @property
    def replayed(self) -> bool:
        """Whether this is an earlier request's result."""
        return self.first_request_id is not None


def create_loan(
    request: LoanRequest,
    *,
    store: Callable[[], LoanStore],
    scores: ScoreCache,
    today: date,
    policy: Policy,
    cache_use: CacheUse,
    milliseconds_left: Callable[[], int],
    pause: Callable[[float], None],
    patience: Patience,
) -> LoanResult:
    """Return the decision on a request and, when it is approved, the loan that was made for it.

    Args:
        request: What is asked for, and by which request.
        store: Gives the store; not called when the cache declines.
        scores: The cache.
        today: The date where the business is.
        policy: The one in force then.
        cache_use: Takes down how the cache was used.
        milliseconds_left: Tells how long the function may still run.
        pause: Waits for a random time up to the seconds that it is given.
        patience: How long to try.
    Raises:
        CustomerNotFoundError: No such customer.
        IdempotencyMismatchError: The key came before with another application.
        RequestInProgressError: Another request of the same customer is still running; nothing was done.
        OutcomeUnknownError: The store went away during the commit and did not come back in time.
        StoreUnavailableError: The store is away, or there is no time left; nothing was done.
    """
    if request.idempotency_key is None:
        declined = _declined_by_cache(request, scores, today, policy, cache_use)
        if declined is not None:
            return declined
    tries = Tries(milliseconds_left, pause, patience, keyed=request.idempotency_key is not None)
    write = CacheWrite(scores, request.application.customer_id, request.request_id)
    try:
        result = _lent_in_time(request, store(), tries, write, today, policy)
    except Exception:
        # While a commit may yet turn out to have happened, the marker keeps the old score out of the cache.
        if not tries.in_doubt:
            write.retract()
        raise
    # After the commit: dropped any earlier, a reader could cache the old score again.
    cache_use.unconfirmed = not write.finish(in_haste=tries.in_haste)
    return result


def _declined_by_cache(
    request: LoanRequest, scores: ScoreCache, today: date, policy: Policy, cache_use: CacheUse
) -> LoanResult | None:
    """Return the decline that the cached profile comes to; it never approves: only a locked read can."""
    found = scores.peek(request.application.customer_id, today, policy)
    cache_use.note(found)
    if found.profile is None:
        return None
    decision = decide(request.application, found.profile)
    if decision.approved:
        cache_use.outcome = CacheOutcome.PASSED_ON
        return None
    return LoanResult(decision, None, found.profile)


def _lent_in_time(
    request: LoanRequest, store: LoanStore, tries: Tries, write: CacheWrite, today: date, policy: Policy
) -> LoanResult:
    while True:
        tries.require_time_to_begin()
        try:
            with store.transaction(request.application.customer_id) as transaction:
                return _lend(request, transaction, tries, write, today, policy)
        except Exception as failure:  # noqa: BLE001 - what is not worth another try is raised again
            tries.failed(failure)


def _lend(
    request: LoanRequest, transaction: LoanTransaction, tries: Tries, write: CacheWrite, today: date, policy: Policy
) -> LoanResult:
    """Run a transaction that holds the customer to its end: look for an earlier result, decide, lend, commit."""
    if tries.in_doubt:
        own = transaction.result_of_request(request.application.customer_id, request.request_id)
        tries.looked()
        if own is not None:
            return _replayed(request, own, write, tries)
    earlier, record = transaction.read(request, today)
    if earlier is not None:
        return _replayed(request, earlier, write, tries)
    profile = assess(record, today, policy)
    decision = decide(request.application, profile)
    tries.decided = LoanResult(decision, None, profile)
    loan = None
    if decision.approved:
        write.begin()
        end = end_of_tenure(today, request.application.tenure)
        loan = transaction.add_loan(request, decision, today, end)
        write.confirm()  # before the commit; the store has worked while the marker was on its way
    elif request.idempotency_key is not None:
        transaction.add_decline(request, decision)
    else:
        return tries.decided  # nobody will ask for it again
    # Now, since all before has taken its time, and a COMMIT can not be taken back.
    tries.require_time_to_commit()
    transaction.commit()
    return LoanResult(decision, loan, profile)


def _replayed(request: LoanRequest, earlier: EarlierResult, write: CacheWrite, tries: Tries) -> LoanResult:
    if earlier.application != request.application:
        raise IdempotencyMismatchError
    if earlier.loan is not None:
        write.take_over(earlier.request_id)
    if earlier.request_id == request.request_id:
        return LoanResult(earlier.decision, earlier.loan, tries.decided.profile if tries.decided else None)
    return LoanResult(earlier.decision, earlier.loan, None, earlier.request_id)
