"""The decision record: one line for each decision, from which it can be explained and computed again.

`docs/decision-records.md` describes its fields. It holds no name, phone number, age, salary or limit.
"""

from datetime import date
from json.encoder import encode_basestring_ascii as quoted

from lending.domain.eligibility import Decision
from lending.domain.loans import LoanApplication, LoanMade
from lending.domain.scoring import CreditProfile, ScoreComponents


def decision_record(
    application: LoanApplication,
    decision: Decision,
    profile: CreditProfile | None,
    *,
    principal: str,
    today: date,
    loan: LoanMade | None = None,
    first_request_id: str | None = None,
) -> str:
    """Return the record of a decision, as members of a JSON object; amounts and rates are strings, exact for all.

    Args:
        application: What was asked for.
        decision: What it came to.
        profile: On which it was decided; None where the decision is an earlier request's.
        principal: Who asked.
        today: The date where the business is.
        loan: The loan that was made.
        first_request_id: The request that was decided first, where this one repeats it.
    """
    reasons, components = ",".join([f'"{reason.value}"' for reason in decision.reason_codes]), decision.score_components
    # A template: written out by an encoder, it would take half as long as all the rest of a hit's decision.
    return (
        f'"customer_id":{application.customer_id},"principal":{quoted(principal)},"business_date":"{today!s}",'
        f'"policy":{_text(None if profile is None else profile.policy.hash)},'
        f'"loan_amount":"{application.loan_amount!s}","interest_rate":"{application.interest_rate!s}",'
        f'"tenure":{application.tenure},"highest_interest_rate":{_text(application.highest_interest_rate)},'
        f'"approved":{_boolean(decision.approved)},"reason_codes":[{reasons}],"credit_score":{decision.credit_score},'
        f'"score_components":{"null" if components is None else _components(components)},'
        f'"corrected_interest_rate":"{decision.corrected_interest_rate!s}",'
        f'"monthly_installment":"{decision.monthly_installment!s}",'
        f'"highest_loan_amount":{_text(decision.highest_loan_amount)},'
        f'"shortest_tenure":{_number(decision.shortest_tenure)},"loan_id":{_number(loan and loan.loan_id)},'
        f'"first_request_id":{"null" if first_request_id is None else quoted(first_request_id)},'
        f'"figures":{"null" if profile is None else _figures(profile)}'
    )


def _components(components: ScoreComponents) -> str:
    punctuality, experience, activity, volume = components
    return (
        f'{{"punctuality":"{punctuality!s}","experience":"{experience!s}","activity":"{activity!s}",'
        f'"volume":"{volume!s}"}}'
    )


def _figures(profile: CreditProfile) -> str:
    """Return what the decision followed from."""
    return (
        f'{{"loans":{profile.loans},"emis_paid_on_time":{profile.emis_paid_on_time},'
        f'"tenure_months":{profile.tenure_months},"loans_this_year":{profile.loans_this_year},'
        f'"lent_amount":"{profile.lent_amount!s}","over_limit":{_boolean(profile.over_limit)},'
        f'"on_hold":{_boolean(profile.on_hold)},"room_for_installments":"{profile.room_for_installments!s}"}}'
    )


def _text(value: object) -> str:
    """Return a text of ours, in which nothing wants escaping, or null."""
    return "null" if value is None else f'"{value!s}"'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _boolean(value: object) -> str:
    return "true" if value else "false"
