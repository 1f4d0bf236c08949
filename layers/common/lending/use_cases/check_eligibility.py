"""May this customer borrow this amount, and at what rate?"""

from datetime import date

from lending.domain.eligibility import Decision, decide
from lending.domain.loans import LoanApplication
from lending.domain.scoring import assess
from lending.ports import LoanStore, ScoreCache
from lending.use_cases.cache_use import CacheUse


def check_eligibility(
    application: LoanApplication, *, store: LoanStore, scores: ScoreCache, today: date, cache_use: CacheUse
) -> Decision:
    """Return the decision on an application, from the cached profile or else from one read of the store.

    Raises:
        CustomerNotFoundError: No such customer.
        StoreUnavailableError: The cache had no profile and the store is away.
    """
    answer = scores.look_up(application.customer_id, today)
    cache_use.note(answer)
    profile = answer.profile
    if profile is None:
        # Read after the lease was taken: a read from before it might miss a loan whose writer has already left.
        profile = assess(store.credit_record(application.customer_id, today), today)
        if answer.lease is not None:
            cache_use.stored = scores.fill(answer.lease, profile)
    return decide(application, profile)
