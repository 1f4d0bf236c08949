"""May this customer borrow this amount, and at what rate?"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from lending.domain.eligibility import Decision, decide
from lending.domain.loans import LoanApplication
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, assess
from lending.ports import LoanStore, ScoreCache
from lending.use_cases.cache_use import CacheUse


class CheckResult(NamedTuple):
    """What a check came to."""

    decision: Decision
    profile: CreditProfile
    """On which it was decided."""


def check_eligibility(
    application: LoanApplication,
    *,
    store: Callable[[], LoanStore],
    scores: ScoreCache,
    today: date,
    policy: Policy,
    cache_use: CacheUse,
) -> CheckResult:
    """Return the decision on an application, from the cached profile or else from one read of the store.

    Args:
        application: What is asked for.
        store: Gives the store; called only when the cache has no profile.
        scores: The cache.
        today: The date where the business is.
        policy: The one in force then.
        cache_use: Takes down how the cache was used.
    Raises:
        CustomerNotFoundError: No such customer.
        StoreUnavailableError: The cache had no profile and the store is away.
    """
    found = scores.look_up(application.customer_id, today, policy)
    cache_use.note(found)
    profile = found.profile
    if profile is None:
        # Read after the lease was taken: a read from before it might miss a loan whose writer has already left.
        reading = store().credit_record(application.customer_id, today)
        profile = assess(reading.record, today, policy)
        if found.lease is not None and reading.from_writer:
            cache_use.note_fill(scores.fill(found.lease, profile))
    return CheckResult(decide(application, profile), profile)
