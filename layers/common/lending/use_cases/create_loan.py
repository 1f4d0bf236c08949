"""Lend it, or say why not: once, whatever happens on the way."""

import random
import time
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from lending.domain.eligibility import Decision, decide
from lending.domain.loans import LoanRequest
from lending.domain.scoring import assess
from lending.errors import (
    ConnectionLostError,
    IdempotencyMismatchError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.ports import LoanStore, LoanTransaction, ScoreCache
from lending.use_cases.cache_use import CacheOutcome, CacheUse

MIN_SECONDS_TO_BEGIN = 3.0
"""A transaction begun with less could be cut off by the end of the function while it waits for its lock."""

MIN_SECONDS_TO_COMMIT = 2.0
"""A loan committed with less might be made and never answered for."""
NO_TIME_LEFT = "There is not enough time left to make a loan."

MAX_CONFLICTS = 3
MAX_LOST_CONNECTIONS = 1
MAX_PAUSE_SECONDS = 0.05
"""Before another try: random, so that those who collided do not collide again."""
MAX_PAUSE_WHEN_AWAY_SECONDS = 0.4
"""While the store has to come back before anything can be known."""


class LoanAnswer(NamedTuple):
    """The answer to a request to lend."""

    decision: Decision
    loan_id: int | None
    """The loan that was made; None for a decline."""
    replayed: bool = False
    """Whether an earlier request with the same key was given this answer."""


def create_loan(
    request: LoanRequest,
    *,
    store: Callable[[], LoanStore],
    scores: ScoreCache,
    today: date,
    cache_use: CacheUse,
    seconds_left: Callable[[], float],
) -> LoanAnswer:
    """Return the decision on a request and, when it is approved, the loan that was made for it.

    Args:
        request: What is asked for, and by which request.
        store: Gives the store; not called when the cache declines.
        scores: The cache.
        today: The date where the business is.
        cache_use: Takes down how the cache was used.
        seconds_left: Tells how long the function may still run.
    Raises:
        CustomerNotFoundError: No such customer.
        IdempotencyMismatchError: The key came before with another application.
        RequestInProgressError: Another request of the same customer is still running; nothing was done.
        OutcomeUnknownError: The store went away during the commit and did not come back in time.
        StoreUnavailableError: The store is away, or there is no time left; nothing was done.
    """
    if request.idempotency_key is None:
        declined = _declined_by_cache(request, scores, today, cache_use)
        if declined is not None:
            return LoanAnswer(declined, None)
    return _Lending(request, store(), scores, today, cache_use, seconds_left).answer()


def _declined_by_cache(request: LoanRequest, scores: ScoreCache, today: date, cache_use: CacheUse) -> Decision | None:
    """Return the decline that the cached profile comes to; it never approves: only a locked read can."""
    answer = scores.peek(request.application.customer_id, today)
    cache_use.note(answer)
    if answer.profile is None:
        return None
    decision = decide(request.application, answer.profile)
    if decision.approved:
        cache_use.outcome = CacheOutcome.PASSED_ON
        return None
    return decision


class _Lending:
    """One request on its way to its answer, over as many transactions as that takes."""

    def __init__(
        self,
        request: LoanRequest,
        store: LoanStore,
        scores: ScoreCache,
        today: date,
        cache_use: CacheUse,
        seconds_left: Callable[[], float],
    ) -> None:
        self._cache_use = cache_use
        self._seconds_left = seconds_left
        self._request = request
        self._store = store
        self._scores = scores
        self._today = today
        self._marker: bytes | None = None
        """The latest announcement of a write, while it stands."""
        self._outcome_unknown = False
        """Whether a commit was sent whose answer never came, and nobody has looked since."""
        self._retries_left: dict[type[Exception], int] = {
            TransactionConflictError: MAX_CONFLICTS,
            ConnectionLostError: MAX_LOST_CONNECTIONS,
        }

    def answer(self) -> LoanAnswer:
        try:
            answer = self._answer_in_time()
        except Exception:
            # While a commit may yet turn out to have happened, the marker keeps the old score out of the cache.
            if self._marker is not None and not self._outcome_unknown:
                self._scores.retract_write(self._request.application.customer_id, self._marker)
            raise
        if self._marker is not None:
            # After the commit: dropped any earlier, a reader could cache the old score again.
            done = self._scores.finish_write(self._request.application.customer_id, self._marker)
            self._cache_use.write_failed = not done
        return answer

    def _answer_in_time(self) -> LoanAnswer:
        while self._seconds_left() >= MIN_SECONDS_TO_BEGIN:
            try:
                return self._attempt()
            except OutcomeUnknownError:
                self._outcome_unknown = True
            except (StoreUnavailableError, RequestInProgressError) as exc:
                if not self._outcome_unknown and not self._may_try_again(exc):
                    raise
            time.sleep(random.uniform(0, MAX_PAUSE_WHEN_AWAY_SECONDS if self._outcome_unknown else MAX_PAUSE_SECONDS))
        if self._outcome_unknown:
            raise OutcomeUnknownError
        raise StoreUnavailableError(NO_TIME_LEFT)

    def _require(self, seconds: float) -> None:
        """Give up, while nothing is done yet, rather than be cut off by the end of the function."""
        if self._seconds_left() < seconds:
            raise StoreUnavailableError(NO_TIME_LEFT)

    def _may_try_again(self, exc: Exception) -> bool:
        if self._retries_left.get(type(exc), 0) == 0:
            return False
        self._retries_left[type(exc)] -= 1
        return True

    def _attempt(self) -> LoanAnswer:
        """Run one transaction to its end: lock, look for an earlier answer, decide, lend, commit."""
        request = self._request
        customer_id = request.application.customer_id
        with self._store.transaction() as transaction:
            # The lock comes first: it waits for whatever a lost connection left behind, and looking the key up before
            # it would let two twins both find nothing, or deadlock.
            transaction.lock_customer(customer_id)
            answer = self._earlier_answer(transaction)
            self._outcome_unknown = False
            if answer is not None:
                return answer
            record = transaction.credit_record(customer_id, self._today)
            decision = decide(request.application, assess(record, self._today))
            if not decision.approved:
                if request.idempotency_key is not None:
                    self._require(MIN_SECONDS_TO_COMMIT)
                    transaction.add_decline(request, decision)
                    transaction.commit()
                return LoanAnswer(decision, None)
            self._require(MIN_SECONDS_TO_COMMIT)
            self._marker = self._scores.announce_write(customer_id, self._marker)
            loan_id = transaction.add_loan(request, decision, self._today)
            transaction.add_invalidation(customer_id, self._marker)
            transaction.commit()
            return LoanAnswer(decision, loan_id)

    def _earlier_answer(self, transaction: LoanTransaction) -> LoanAnswer | None:
        """Return the answer that this request, or one with its key, has come to already."""
        request = self._request
        if self._outcome_unknown:
            own = transaction.answer_to_request(request.application.customer_id, request.request_id)
            if own is not None:
                return LoanAnswer(own.decision, own.loan_id)
        earlier = None if request.idempotency_key is None else transaction.answer_to_key(request.idempotency_key)
        if earlier is None:
            return None
        if earlier.application != request.application:
            raise IdempotencyMismatchError
        return LoanAnswer(earlier.decision, earlier.loan_id, replayed=earlier.request_id != request.request_id)
