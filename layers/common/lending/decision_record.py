"""The decision record: one line for each decision, from which it can be explained and computed again.

`docs/decision-records.md` describes its fields. It holds no name, phone number, age, salary or limit.
"""

from datetime import date
from decimal import Decimal

from lending.domain.eligibility import Decision
from lending.domain.installment import room_for_installments
from lending.domain.loans import LoanApplication, LoanMade
from lending.domain.scoring import CreditProfile


def decision_record(
    application: LoanApplication,
    decision: Decision,
    profile: CreditProfile | None,
    *,
    principal: str,
    today: date,
    loan: LoanMade | None = None,
    first_request_id: str | None = None,
) -> dict[str, object]:
    """Return the record of a decision as JSON has it; amounts and rates are strings, exact for every reader.

    Args:
        application: What was asked for.
        decision: What it came to.
        profile: On which it was decided; None where the decision is an earlier request's.
        principal: Who asked.
        today: The date where the business is.
        loan: The loan that was made.
        first_request_id: The request that was decided first, where this one repeats it.
    """
    components = decision.score_components
    return {
        "customer_id": application.customer_id,
        "principal": principal,
        "business_date": str(today),
        "policy": None if profile is None else profile.policy.hash,
        "loan_amount": str(application.loan_amount),
        "interest_rate": str(application.interest_rate),
        "tenure": application.tenure,
        "highest_interest_rate": _text(application.highest_interest_rate),
        "approved": decision.approved,
        "reason_codes": [reason.value for reason in decision.reason_codes],
        "credit_score": decision.credit_score,
        "score_components": None if components is None else {name: str(p) for name, p in components._asdict().items()},
        "corrected_interest_rate": str(decision.corrected_interest_rate),
        "monthly_installment": str(decision.monthly_installment),
        "highest_loan_amount": _text(decision.highest_loan_amount),
        "shortest_tenure": decision.shortest_tenure,
        "loan_id": None if loan is None else loan.loan_id,
        "first_request_id": first_request_id,
        "figures": None if profile is None else _figures(profile),
    }


def _figures(profile: CreditProfile) -> dict[str, object]:
    """Return what the decision followed from."""
    return {
        "loans": profile.loans,
        "emis_paid_on_time": profile.emis_paid_on_time,
        "tenure_months": profile.tenure_months,
        "loans_this_year": profile.loans_this_year,
        "lent_amount": str(profile.lent_amount),
        "over_limit": profile.over_limit,
        "on_hold": profile.on_hold,
        "room_for_installments": str(
            room_for_installments(profile.monthly_salary, profile.policy.salary_share_pct, profile.current_installments)
        ),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
