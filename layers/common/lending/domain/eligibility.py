"""The decision: may this customer borrow this amount, at what rate, and if not, why not."""

from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from lending.domain.installment import monthly_installment
from lending.domain.loans import LoanApplication
from lending.domain.pricing import corrected_rate, slab_for
from lending.domain.scoring import CreditProfile


class ReasonCode(Enum):
    """Grounds of an adverse action, weightiest first."""

    NO_CREDIT_HISTORY = "NO_CREDIT_HISTORY"
    DEBT_OVER_APPROVED_LIMIT = "DEBT_OVER_APPROVED_LIMIT"
    CREDIT_SCORE_TOO_LOW = "CREDIT_SCORE_TOO_LOW"
    INSTALLMENTS_OVER_HALF_SALARY = "INSTALLMENTS_OVER_HALF_SALARY"


class Decision(NamedTuple):
    """The answer to an application; approved when there is no reason against it."""

    credit_score: int
    corrected_interest_rate: Decimal
    """Percent a year: the asked rate, raised to the slab's floor."""
    monthly_installment: Decimal
    """Major currency units, at the corrected rate."""
    reason_codes: tuple[ReasonCode, ...]

    @property
    def approved(self) -> bool:
        """Whether the loan may be made."""
        return not self.reason_codes


def decide(application: LoanApplication, profile: CreditProfile) -> Decision:
    """Return the decision on an application by the customer of the profile."""
    rate = corrected_rate(profile.credit_score, application.interest_rate)
    installment = monthly_installment(application.loan_amount, rate, application.tenure)
    reasons = []
    if slab_for(profile.credit_score) is None:
        reasons.append(_why_no_slab(profile))
    if 2 * (profile.current_installments + installment) > profile.monthly_salary:
        reasons.append(ReasonCode.INSTALLMENTS_OVER_HALF_SALARY)
    return Decision(profile.credit_score, rate, installment, tuple(reasons))


def _why_no_slab(profile: CreditProfile) -> ReasonCode:
    if profile.loans == 0:
        return ReasonCode.NO_CREDIT_HISTORY
    return ReasonCode.DEBT_OVER_APPROVED_LIMIT if profile.over_limit else ReasonCode.CREDIT_SCORE_TOO_LOW
