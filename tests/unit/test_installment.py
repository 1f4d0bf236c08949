from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.installment import monthly_installment

amounts = st.decimals(min_value="0.01", max_value="9999999999.99", places=2)
rates = st.decimals(min_value=0, max_value=100, places=2)
tenures = st.integers(1, 480)


@pytest.mark.parametrize(
    ("principal", "annual_rate_pct", "tenure_months", "installment"),
    [
        ("100000", "12", 12, "8884.88"),
        ("50000", "12", 6, "8627.42"),
        ("1000000", "17.25", 60, "24987.20"),
        ("2000000", "12", 120, "28694.19"),
        ("10000", "12", 10, "1055.82"),
        ("10000", "0", 10, "1000.00"),
        ("0.01", "100", 1, "0.01"),
        ("9999999999.99", "100", 1, "10833333333.32"),
    ],
)
def test_known_installments(principal: str, annual_rate_pct: str, tenure_months: int, installment: str) -> None:
    assert monthly_installment(Decimal(principal), Decimal(annual_rate_pct), tenure_months) == Decimal(installment)


@pytest.mark.parametrize(
    ("principal", "annual_rate_pct", "installment"),
    [
        ("600", "0.01", "600.00"),  # exactly 600.005: to the even cent, down
        ("1800", "0.01", "1800.02"),  # exactly 1800.015: to the even cent, up
        ("0.01", "0", "0.01"),
    ],
)
def test_a_tie_goes_to_the_even_cent(principal: str, annual_rate_pct: str, installment: str) -> None:
    """A monthly rate cut to any number of digits would round 1800.015 down."""
    assert monthly_installment(Decimal(principal), Decimal(annual_rate_pct), 1) == Decimal(installment)


@pytest.mark.parametrize(("tenure_months", "installment"), [(8, "0.12"), (40, "0.02"), (200, "0.00")])
def test_a_tie_at_a_zero_rate_goes_to_the_even_cent(tenure_months: int, installment: str) -> None:
    assert monthly_installment(Decimal(1), Decimal(0), tenure_months) == Decimal(installment)


@given(amounts, rates, tenures)
def test_the_installment_is_the_formula_at_a_hundred_digits(
    principal: Decimal, annual_rate_pct: Decimal, tenure_months: int
) -> None:
    with localcontext(prec=100):
        rate = annual_rate_pct / 1200
        growth = (1 + rate) ** tenure_months
        exact = principal * rate * growth / (growth - 1) if rate else principal / tenure_months

        installment = monthly_installment(principal, annual_rate_pct, tenure_months)

        assert abs(installment - exact) <= Decimal("0.005") + Decimal("1e-60")
        if abs(exact % Decimal("0.01") - Decimal("0.005")) > Decimal("1e-60"):
            assert installment == exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


@given(amounts, rates, tenures)
def test_installments_repay_the_principal_cents_aside(
    principal: Decimal, annual_rate_pct: Decimal, tenure_months: int
) -> None:
    repaid = monthly_installment(principal, annual_rate_pct, tenure_months) * tenure_months

    assert repaid >= principal - Decimal("0.005") * tenure_months


@given(amounts, rates, rates, tenures)
def test_a_higher_rate_never_costs_less(principal: Decimal, one: Decimal, other: Decimal, tenure_months: int) -> None:
    low, high = sorted((one, other))

    assert monthly_installment(principal, low, tenure_months) <= monthly_installment(principal, high, tenure_months)


@given(amounts, amounts, rates, tenures)
def test_a_larger_loan_never_costs_less(one: Decimal, other: Decimal, rate: Decimal, tenure_months: int) -> None:
    small, large = sorted((one, other))

    assert monthly_installment(small, rate, tenure_months) <= monthly_installment(large, rate, tenure_months)


@pytest.mark.parametrize(("principal", "rate", "tenure"), [(0, 12, 12), (-1, 12, 12), (100, -1, 12), (100, 12, 0)])
def test_arguments_out_of_range_are_the_callers_bug(principal: int, rate: int, tenure: int) -> None:
    with pytest.raises(ValueError, match="no installment for"):
        monthly_installment(Decimal(principal), Decimal(rate), tenure)
