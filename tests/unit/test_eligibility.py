from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.eligibility import ReasonCode, decide
from lending.domain.loans import LoanApplication
from lending.domain.scoring import CreditProfile, ScoreComponents
from testkit.fakes import POLICY

HUNDRED_THOUSAND = LoanApplication(1001, Decimal(100000), Decimal(12), 12)  # 8884.88 a month


def a_profile(**fields: Any) -> CreditProfile:
    """Return the profile of a customer who may borrow, but for what `fields` say."""
    good = CreditProfile(
        customer_id=1001,
        credit_score=60,
        components=ScoreComponents(Decimal(35), Decimal(5), Decimal(10), Decimal(10)),
        loans=5,
        emis_paid_on_time=60,
        tenure_months=60,
        loans_this_year=2,
        lent_amount=Decimal(400000),
        over_limit=False,
        on_hold=False,
        room_for_installments=Decimal(25000),
        as_of=date(2024, 6, 15),
        valid_through=date(2024, 12, 31),
        policy=POLICY,
    )
    return good._replace(**fields)


NO_HISTORY = {"credit_score": 0, "loans": 0}
OVER_LIMIT = {"credit_score": 0, "over_limit": True}
TOO_LOW = {"credit_score": 10}
PENNILESS = {"room_for_installments": Decimal(0)}
ON_HOLD = {"on_hold": True}


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({}, []),
        (NO_HISTORY, [ReasonCode.NO_CREDIT_HISTORY]),
        (OVER_LIMIT, [ReasonCode.DEBT_OVER_APPROVED_LIMIT]),
        (TOO_LOW, [ReasonCode.CREDIT_SCORE_TOO_LOW]),
        (PENNILESS, [ReasonCode.INSTALLMENTS_OVER_HALF_SALARY]),
        (ON_HOLD, [ReasonCode.CUSTOMER_ON_HOLD]),
        (
            ON_HOLD | TOO_LOW | PENNILESS,
            [
                ReasonCode.CUSTOMER_ON_HOLD,
                ReasonCode.CREDIT_SCORE_TOO_LOW,
                ReasonCode.INSTALLMENTS_OVER_HALF_SALARY,
            ],
        ),
        (NO_HISTORY | PENNILESS, [ReasonCode.NO_CREDIT_HISTORY, ReasonCode.INSTALLMENTS_OVER_HALF_SALARY]),
        (OVER_LIMIT | PENNILESS, [ReasonCode.DEBT_OVER_APPROVED_LIMIT, ReasonCode.INSTALLMENTS_OVER_HALF_SALARY]),
        (TOO_LOW | PENNILESS, [ReasonCode.CREDIT_SCORE_TOO_LOW, ReasonCode.INSTALLMENTS_OVER_HALF_SALARY]),
    ],
)
def test_a_decline_names_its_reasons_weightiest_first(fields: dict[str, Any], reasons: list[ReasonCode]) -> None:
    decision = decide(HUNDRED_THOUSAND, a_profile(**fields))

    assert list(decision.reason_codes) == reasons
    assert decision.approved == (not reasons)


@pytest.mark.parametrize(
    ("room", "approved"), [("8884.88", True), ("8884.87", False), ("0.00", False), ("-8884.88", False)]
)
def test_an_installment_may_take_all_the_room_and_no_cent_more(room: str, *, approved: bool) -> None:
    assert decide(HUNDRED_THOUSAND, a_profile(room_for_installments=Decimal(room))).approved == approved


def test_affordability_counts_the_installment_at_the_corrected_rate() -> None:
    """At the asked 8 % the installment would be 8698.84 and just affordable."""
    asked = HUNDRED_THOUSAND._replace(interest_rate=Decimal(8))

    decision = decide(asked, a_profile(credit_score=40, room_for_installments=Decimal(8700)))

    assert decision.corrected_interest_rate == 12
    assert decision.monthly_installment == Decimal("8884.88")
    assert decision.reason_codes == (ReasonCode.INSTALLMENTS_OVER_HALF_SALARY,)


@pytest.mark.parametrize("credit_score", [0, 40, 100])
def test_a_decision_tells_the_score_it_rests_on(credit_score: int) -> None:
    assert decide(HUNDRED_THOUSAND, a_profile(credit_score=credit_score)).credit_score == credit_score


def test_a_raised_rate_is_no_decline() -> None:
    asked = HUNDRED_THOUSAND._replace(interest_rate=Decimal(8))

    assert decide(asked, a_profile(credit_score=40)).approved


@given(st.integers(0, 100), st.decimals("0.01", "9999999999.99", places=2), st.decimals(0, 100, places=2))
def test_whoever_may_borrow_may_borrow_less(credit_score: int, loan_amount: Decimal, interest_rate: Decimal) -> None:
    profile = a_profile(credit_score=credit_score)
    application = LoanApplication(1001, loan_amount, interest_rate, 60)
    half = application._replace(loan_amount=max(Decimal("0.01"), loan_amount / 2))

    if decide(application, profile).approved:
        assert decide(half, profile).approved


@pytest.mark.parametrize(("highest", "approved"), [("11.99", False), ("12.00", True), ("100", True)])
def test_a_rate_above_the_highest_that_is_accepted_declines(highest: str, *, approved: bool) -> None:
    application = HUNDRED_THOUSAND._replace(interest_rate=Decimal(8), highest_interest_rate=Decimal(highest))

    decision = decide(application, a_profile(credit_score=50))

    assert decision.corrected_interest_rate == 12
    assert decision.reason_codes == (() if approved else (ReasonCode.RATE_OVER_HIGHEST,))


def test_a_rate_over_the_highest_is_the_last_of_the_reasons() -> None:
    application = HUNDRED_THOUSAND._replace(highest_interest_rate=Decimal(1))

    decision = decide(application, a_profile(**PENNILESS))

    assert decision.reason_codes == (ReasonCode.INSTALLMENTS_OVER_HALF_SALARY, ReasonCode.RATE_OVER_HIGHEST)


@pytest.mark.parametrize("fields", [NO_HISTORY, OVER_LIMIT, TOO_LOW, ON_HOLD])
def test_where_nothing_that_is_asked_would_pass_nothing_is_offered(fields: dict[str, Any]) -> None:
    decision = decide(HUNDRED_THOUSAND, a_profile(**fields))

    assert decision.highest_loan_amount == 0
    assert decision.shortest_tenure is None


def test_under_a_rate_over_the_highest_nothing_is_offered() -> None:
    decision = decide(HUNDRED_THOUSAND._replace(highest_interest_rate=Decimal(1)), a_profile())

    assert decision.highest_loan_amount == 0
    assert decision.shortest_tenure is None


def test_what_would_pass_instead_is_offered() -> None:
    """Half of 50,000 carries 25,000 a month: at 12 % over 12 months 281,376.99; 100,000 within five months."""
    decision = decide(HUNDRED_THOUSAND, a_profile())

    assert decision.highest_loan_amount == Decimal("281376.99")
    assert decision.shortest_tenure == 5
    assert decision.score_components == a_profile().components


def test_what_would_cost_nothing_at_the_asked_rate_is_not_offered() -> None:
    """At the corrected rate of 12 % a cent a month repays 1.45 in time; at the asked rate the installment is 0.00."""
    application = LoanApplication(1001, Decimal("1.45"), Decimal(0), 480)

    decision = decide(application, a_profile(credit_score=40, room_for_installments=Decimal("0.01")))

    assert decision.approved
    assert str(decision.highest_loan_amount) == "0", "as the records of all releases have it"
    assert decision.shortest_tenure is None
