from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.loans import CreditRecord
from lending.domain.policy import Weights
from lending.domain.scoring import CreditProfile, assess
from testkit.fakes import POLICY

TODAY = date(2024, 6, 15)

amounts = st.decimals(min_value=0, max_value="9999999999.99", places=2)


@st.composite
def records(draw: st.DrawFn) -> CreditRecord:
    loans = draw(st.integers(1, 30))
    tenure = draw(st.integers(loans, 480 * loans))
    return a_record(
        loans=loans,
        tenure_months=tenure,
        emis_paid_on_time=draw(st.integers(0, tenure)),
        loans_this_year=draw(st.integers(0, loans)),
        lent_amount=draw(amounts),
        current_amount=draw(amounts),
        current_installments=draw(amounts),
        approved_limit=draw(amounts),
        on_hold=False,
        first_current_end=draw(st.none() | st.dates(TODAY, date(2060, 1, 1))),
    )


def a_record(**fields: Any) -> CreditRecord:
    """Return the record of a customer with two repaid loans, but for what `fields` say."""
    two_repaid = CreditRecord(
        customer_id=1001,
        monthly_salary=Decimal(50000),
        approved_limit=Decimal(1000000),
        on_hold=False,
        loans=2,
        emis_paid_on_time=24,
        tenure_months=24,
        loans_this_year=0,
        lent_amount=Decimal(0),
        current_amount=Decimal(0),
        current_installments=Decimal(0),
        first_current_end=None,
    )
    return two_repaid._replace(**fields)


@pytest.mark.parametrize(
    ("fields", "credit_score"),
    [
        ({}, 39),  # 35 + 4
        ({"loans": 10}, 55),
        ({"loans": 11}, 55),
        ({"emis_paid_on_time": 0}, 4),
        ({"emis_paid_on_time": 0, "tenure_months": 0}, 4),
        ({"loans_this_year": 1}, 46),  # 39 + 20/3
        ({"loans_this_year": 2}, 52),  # 39 + 40/3
        ({"loans_this_year": 3}, 59),
        ({"loans_this_year": 4}, 59),
        ({"lent_amount": Decimal(1000000)}, 64),
        ({"lent_amount": Decimal(2000000)}, 64),
        ({"lent_amount": Decimal(20000)}, 40),  # 39 + 0.5, to the even one
        ({"lent_amount": Decimal(60000)}, 40),  # 39 + 1.5, to the even one
        ({"lent_amount": Decimal("60000.01")}, 41),  # past the tie
        ({"lent_amount": Decimal("59999.99")}, 40),
        ({"loans": 10, "loans_this_year": 3, "lent_amount": Decimal(1000000)}, 100),
    ],
)
def test_the_score_is_the_rounded_sum_of_its_parts(fields: dict[str, Any], credit_score: int) -> None:
    assert assess(a_record(**fields), TODAY, POLICY).credit_score == credit_score


def test_a_profile_keeps_the_terms_and_sums_of_its_record() -> None:
    record = a_record(current_amount=Decimal(5), current_installments=Decimal(4))

    profile = assess(record, TODAY, POLICY)

    for name in set(CreditRecord._fields) & set(CreditProfile._fields):
        assert getattr(profile, name) == getattr(record, name), name
    assert profile.as_of == TODAY


def test_a_customer_without_loans_scores_nothing() -> None:
    profile = assess(a_record(loans=0, emis_paid_on_time=0, tenure_months=0), TODAY, POLICY)

    assert profile.credit_score == 0
    assert not profile.over_limit


@pytest.mark.parametrize(("current_amount", "credit_score"), [("1000000.00", 39), ("1000000.01", 0)])
def test_debt_beyond_the_approved_limit_scores_nothing(current_amount: str, credit_score: int) -> None:
    assert assess(a_record(current_amount=Decimal(current_amount)), TODAY, POLICY).credit_score == credit_score


@given(records())
def test_the_score_is_exact_within_its_bounds(record: CreditRecord) -> None:
    exact = (
        35 * min(Fraction(1), Fraction(record.emis_paid_on_time, record.tenure_months))
        + 20 * min(Fraction(1), Fraction(record.loans, 10))
        + 20 * min(Fraction(1), Fraction(record.loans_this_year, 3))
        + 25 * min(Fraction(1), Fraction(record.lent_amount) / 1000000)
    )

    profile = assess(record, TODAY, POLICY)

    assert 0 <= profile.credit_score <= 100
    assert profile.credit_score == (0 if profile.over_limit else round(exact))
    assert abs(Fraction(sum(profile.components)) - exact) <= Fraction(2, 100)


@given(records(), st.integers(0, 480))
def test_paying_on_time_never_lowers_the_score(record: CreditRecord, more: int) -> None:
    better = record._replace(emis_paid_on_time=record.emis_paid_on_time + more)

    assert assess(better, TODAY, POLICY).credit_score >= assess(record, TODAY, POLICY).credit_score


@given(records(), amounts)
def test_having_been_lent_more_never_lowers_the_score(record: CreditRecord, more: Decimal) -> None:
    better = record._replace(lent_amount=record.lent_amount + more)

    assert assess(better, TODAY, POLICY).credit_score >= assess(record, TODAY, POLICY).credit_score


@pytest.mark.parametrize(
    ("first_current_end", "valid_through"),
    [
        (None, date(2024, 12, 31)),
        (date(2024, 6, 15), date(2024, 6, 15)),
        (date(2024, 12, 30), date(2024, 12, 30)),
        (date(2025, 1, 1), date(2024, 12, 31)),
    ],
)
def test_a_profile_is_valid_until_the_calendar_may_change_it(
    first_current_end: date | None, valid_through: date
) -> None:
    assert assess(a_record(first_current_end=first_current_end), TODAY, POLICY).valid_through == valid_through


@pytest.mark.parametrize(("last_day", "valid_through"), [(TODAY, TODAY), (date(2025, 1, 1), date(2024, 12, 31))])
def test_a_profile_is_valid_until_another_policy_begins(last_day: date, valid_through: date) -> None:
    assert assess(a_record(), TODAY, POLICY._replace(last_day=last_day)).valid_through == valid_through


def test_a_score_is_measured_by_its_policy() -> None:
    other = POLICY._replace(weights=Weights(20, 30, 10, 40), full_experience=4, full_volume=Decimal("0.30"))

    profile = assess(a_record(lent_amount=Decimal("0.10"), loans_this_year=3), TODAY, other)

    assert [str(points) for points in profile.components] == ["20.00", "15.00", "10.00", "13.33"]
    assert profile.credit_score == 58


@pytest.mark.parametrize(
    ("monthly_salary", "share_pct", "current_installments", "room"),
    [
        ("100.03", "50", "20.00", "30.01"),
        ("100.03", "50", "60.00", "-9.99"),
        ("100.00", "50", "60.01", "-10.01"),
        ("100.01", "33.33", "0", "33.33"),
    ],
)
def test_the_room_for_installments_is_rounded_down_to_the_cent(
    monthly_salary: str, share_pct: str, current_installments: str, room: str
) -> None:
    record = a_record(monthly_salary=Decimal(monthly_salary), current_installments=Decimal(current_installments))

    profile = assess(record, TODAY, POLICY._replace(salary_share_pct=Decimal(share_pct)))

    assert profile.room_for_installments == Decimal(room)
