"""The decision: may this customer borrow this amount, at what rate, and if not, why not and what instead."""

from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from lending.domain.installment import (
    annuity,
    highest_loan_amount,
    in_cents,
    in_units,
    monthly_rate,
    shortest_tenure,
)
from lending.domain.loans import LoanApplication
from lending.domain.policy import Weights
from lending.domain.pricing import corrected_rate, slab_for
from lending.domain.scoring import CreditProfile, ScoreComponents


class ReasonCode(Enum):
    """Grounds of an adverse action, weightiest first."""

    CUSTOMER_ON_HOLD = "CUSTOMER_ON_HOLD"
    NO_CREDIT_HISTORY = "NO_CREDIT_HISTORY"
    DEBT_OVER_APPROVED_LIMIT = "DEBT_OVER_APPROVED_LIMIT"
    CREDIT_SCORE_TOO_LOW = "CREDIT_SCORE_TOO_LOW"
    INSTALLMENTS_OVER_HALF_SALARY = "INSTALLMENTS_OVER_HALF_SALARY"
    RATE_OVER_HIGHEST = "RATE_OVER_HIGHEST"


class Decision(NamedTuple):
    """What an application comes to; approved when there is no reason against it."""

    credit_score: int
    corrected_interest_rate: Decimal
    """Percent a year: the asked rate, raised to the slab's floor."""
    monthly_installment: Decimal
    """Major currency units, at the corrected rate."""
    reason_codes: tuple[ReasonCode, ...]
    score_components: ScoreComponents | None
    """What the score is made of. This and the next two are None in replays of what was decided before they were kept.
    """
    highest_loan_amount: Decimal | None
    """The largest amount that would be approved on the same rate and tenure, to the cent; 0 where none is."""
    shortest_tenure: int | None
    """The fewest months that would be approved at the same amount and rate; None where none is."""
    points_possible: Weights
    """What the components are out of."""

    @property
    def approved(self) -> bool:
        """Whether the loan may be made."""
        return not self.reason_codes


def decide(application: LoanApplication, profile: CreditProfile) -> Decision:
    """Return the decision on an application by the customer of the profile, as they are before the loan is made."""
    amount, asked_rate, tenure = in_cents(application.loan_amount), application.interest_rate, application.tenure
    slab = slab_for(profile.credit_score, profile.policy.slabs)
    rate_pct = corrected_rate(slab, asked_rate)
    # No other amount or tenure would remove these reasons.
    whatever_is_asked = [ReasonCode.CUSTOMER_ON_HOLD] if profile.on_hold else []
    if slab is None:
        whatever_is_asked.append(_why_no_slab(profile))
    highest_rate = application.highest_interest_rate
    at_this_rate = [ReasonCode.RATE_OVER_HIGHEST] if highest_rate is not None and rate_pct > highest_rate else []
    lendable = not whatever_is_asked and not at_this_rate
    rate = monthly_rate(rate_pct)
    per_unit = annuity(rate, tenure)
    installment = per_unit.installment(amount)
    room = in_cents(profile.room_for_installments)
    highest = highest_loan_amount(room, per_unit, asked_rate, tenure) if lendable else 0
    too_much = [ReasonCode.INSTALLMENTS_OVER_HALF_SALARY] if installment > room else []
    return Decision(
        profile.credit_score,
        rate_pct,
        in_units(installment),
        (*whatever_is_asked, *too_much, *at_this_rate),
        profile.components,
        in_units(highest) if highest else Decimal(0),  # as all records have it
        shortest_tenure(room, amount, rate, asked_rate) if lendable else None,
        profile.policy.weights,
    )


def _why_no_slab(profile: CreditProfile) -> ReasonCode:
    if profile.loans == 0:
        return ReasonCode.NO_CREDIT_HISTORY
    return ReasonCode.DEBT_OVER_APPROVED_LIMIT if profile.over_limit else ReasonCode.CREDIT_SCORE_TOO_LOW
