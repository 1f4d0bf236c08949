"""What could be lent instead: exact to the cent and to the month, by the decision's own arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lending.domain import installment
from lending.domain.installment import (
    CENT,
    MAX_LOAN_CENTS,
    MAX_TENURE,
    annuity,
    highest_loan_amount,
    in_cents,
    in_units,
    monthly_installment,
    monthly_rate,
    shortest_tenure,
)

MAX_LOAN_AMOUNT = in_units(MAX_LOAN_CENTS)

rooms = st.one_of(
    st.decimals(min_value=Decimal("-0.05"), max_value=Decimal("0.50"), places=2),
    st.decimals(min_value=-100, max_value=Decimal("99999999.99"), places=2),
)
amounts = st.decimals(min_value=CENT, max_value=MAX_LOAN_AMOUNT, places=2)
asked_rates = st.decimals(min_value=0, max_value=100, places=2)
floors = st.sampled_from([Decimal(0), Decimal(12), Decimal(16)])
tenures = st.integers(1, MAX_TENURE)


def approved(room: Decimal, amount: Decimal, asked: Decimal, floor: Decimal, tenure: int) -> bool:
    """Return whether an application within the contract's bounds is approved."""
    if not CENT <= amount <= MAX_LOAN_AMOUNT or not 1 <= tenure <= MAX_TENURE:
        return False
    lendable = monthly_installment(amount, asked, tenure) > 0
    return lendable and monthly_installment(amount, max(asked, floor), tenure) <= room


@given(rooms, asked_rates, floors, tenures, amounts)
@example(Decimal("0.01"), Decimal(0), Decimal(12), 480, Decimal(1))
@example(
    Decimal("1800.01"), Decimal("0.01"), Decimal(0), 1, Decimal(1)
)  # 1800 repays in 1800.015, a tie that rounds up
def test_the_highest_amount_is_approved_and_a_cent_more_is_not(
    room: Decimal, asked: Decimal, floor: Decimal, tenure: int, other: Decimal
) -> None:
    per_unit = annuity(monthly_rate(max(asked, floor)), tenure)
    highest = in_units(highest_loan_amount(in_cents(room), per_unit, asked, tenure))

    if highest > 0:
        assert approved(room, highest, asked, floor, tenure)
        assert not approved(room, highest + CENT, asked, floor, tenure)
    assert not approved(room, max(other, highest + CENT), asked, floor, tenure)


@given(rooms, amounts, asked_rates, floors, tenures)
@example(Decimal("0.01"), Decimal(2), Decimal(0), Decimal(12), 480)
def test_the_shortest_tenure_is_approved_and_a_month_less_is_not(
    room: Decimal, amount: Decimal, asked: Decimal, floor: Decimal, other: int
) -> None:
    shortest = shortest_tenure(in_cents(room), in_cents(amount), monthly_rate(max(asked, floor)), asked)

    if shortest is None:
        assert not approved(room, amount, asked, floor, other)
    else:
        assert approved(room, amount, asked, floor, shortest)
        assert not approved(room, amount, asked, floor, shortest - 1)
        assert not approved(room, amount, asked, floor, min(other, shortest - 1))


@pytest.mark.parametrize("about", [1, 2, 11, 12, 13, 20, MAX_TENURE])
@pytest.mark.parametrize(
    ("room", "asked_rate_pct", "shortest"),
    [
        ("8884.88", "12", 12),
        ("8884.87", "12", 13),
        ("101000", "12", 1),
        ("1000", "12", None),  # the interest alone
        ("208.34", "0", 480),
        ("208.33", "0", 480),
        ("208.32", "0", None),
    ],
)
def test_a_wrong_estimate_is_put_right(
    about: int, room: str, asked_rate_pct: str, shortest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installment, "_about", lambda *_: about)
    rate = Decimal(asked_rate_pct)

    assert shortest_tenure(in_cents(Decimal(room)), 10_000_000, monthly_rate(rate), rate) == shortest


def test_a_tenure_over_which_the_asked_rate_would_cost_nothing_is_not_offered() -> None:
    """It fits from 342 months on; at the asked rate of 0 % the installment would round to 0.00."""
    assert shortest_tenure(1, 145, monthly_rate(Decimal(12)), Decimal(0)) is None
