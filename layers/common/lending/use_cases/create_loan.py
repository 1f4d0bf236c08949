"""Lend it, or say why not."""

from datetime import date

from lending.domain.eligibility import Decision, decide
from lending.domain.loans import LoanApplication
from lending.domain.scoring import assess
from lending.ports import LoanStore, ScoreCache
from lending.use_cases.cache_use import CacheOutcome, CacheUse


def create_loan(
    application: LoanApplication, *, store: LoanStore, scores: ScoreCache, today: date, cache_use: CacheUse
) -> tuple[Decision, int | None]:
    """Return the decision on an application and, when it is approved, the id of the loan that was made.

    Raises:
        CustomerNotFoundError: No such customer.
        RequestInProgressError: Another loan of the same customer is being made.
        StoreUnavailableError: The store is away.
    """
    # The cache may decline at once; it never approves: only the locked read below can.
    answer = scores.peek(application.customer_id, today)
    cache_use.note(answer)
    if answer.profile is not None:
        decision = decide(application, answer.profile)
        if not decision.approved:
            return decision, None
        cache_use.outcome = CacheOutcome.PASSED_ON

    with store.transaction() as transaction:
        transaction.lock_customer(application.customer_id)
        record = transaction.credit_record(application.customer_id, today)
        decision = decide(application, assess(record, today))
        if not decision.approved:
            return decision, None
        token = scores.announce_write(application.customer_id)
        try:
            loan_id = transaction.add_loan(application, decision, today)
            transaction.commit()
        except BaseException:
            scores.retract_write(application.customer_id, token)
            raise
    # After the commit: dropped any earlier, a reader could cache the old score again.
    scores.finish_write(application.customer_id, token)
    return decision, loan_id
