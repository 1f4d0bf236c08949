"""The equal monthly installment (EMI) of a loan."""

from decimal import Decimal
from math import gcd

from lending.domain.rounding import round_half_even

MONTHS_X_PERCENT = 1200
"""A yearly rate in percent divided by this is a monthly rate as a fraction."""


def monthly_installment(principal: Decimal, annual_rate_pct: Decimal, tenure_months: int) -> Decimal:
    """Return the equal monthly payment that repays the loan with interest.

    P·r·(1+r)ⁿ / ((1+r)ⁿ - 1), or P/n at a zero rate; r is the monthly rate, n the tenure. Computed on integers, so
    that nothing but the result is ever rounded: at 0.01 % over one month, 1800 repays in one payment of exactly
    1800.015, and a monthly rate cut to 28 digits would send that tie the wrong way.

    Args:
        principal: Amount lent in major currency units, > 0.
        annual_rate_pct: Nominal yearly rate in percent (12 is 12 %), >= 0.
        tenure_months: Number of installments, >= 1.

    Returns:
        Major units, half to even to the cent: 100000 at 12 % over 12 months is 8884.88.

    Raises:
        ValueError: An argument is out of range; the caller's bug.
    Source: ordinary annuity; numpy_financial.pmt gives the same.
    """
    if principal <= 0 or annual_rate_pct < 0 or tenure_months < 1:
        raise ValueError(f"no installment for {principal} at {annual_rate_pct} % over {tenure_months} months")
    amount, amount_unit = principal.as_integer_ratio()
    rate, rate_unit = annual_rate_pct.as_integer_ratio()
    rate_unit *= MONTHS_X_PERCENT
    if rate == 0:
        return _cents(round_half_even(100 * amount, amount_unit * tenure_months))
    # In lowest terms 12 % is 1/100, not 12/1200: the powers stay short.
    common = gcd(rate, rate_unit)
    rate, rate_unit = rate // common, rate_unit // common
    growth, unit = (rate_unit + rate) ** tenure_months, rate_unit**tenure_months
    return _cents(round_half_even(100 * amount * rate * growth, amount_unit * rate_unit * (growth - unit)))


def _cents(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
