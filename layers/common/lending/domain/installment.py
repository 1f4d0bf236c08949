"""The equal monthly installment (EMI) of a loan, and the largest loan that an installment repays."""

from decimal import Decimal
from math import gcd
from typing import NamedTuple

from lending.domain.rounding import round_half_even

MONTHS_X_PERCENT = 1200
"""A yearly rate in percent divided by this is a monthly rate as a fraction."""


class Annuity(NamedTuple):
    """What repays one unit of principal in a month, as an exact fraction."""

    numerator: int
    denominator: int

    def installment(self, principal: Decimal) -> Decimal:
        """Return the equal monthly payment, half to even to the cent, both in major currency units."""
        amount, unit = principal.as_integer_ratio()
        return _cents(round_half_even(100 * amount * self.numerator, unit * self.denominator))

    def principal(self, installment: Decimal) -> Decimal:
        """Return the largest principal, to the cent, whose installment is not above this one (>= 0)."""
        # All that is below half a cent more still rounds to it; whether a tie does depends on the cent.
        double_cents = 2 * int(installment.scaleb(2)) + 1
        most = _cents(double_cents * self.denominator // (2 * self.numerator))
        return most if self.installment(most) <= installment else most - _cents(1)


def annuity(annual_rate_pct: Decimal, tenure_months: int) -> Annuity:
    """Return r·(1+r)ⁿ / ((1+r)ⁿ - 1), or 1/n at a zero rate; r is the monthly rate, n the tenure.

    On integers, so that nothing but the result is ever rounded: at 0.01 % over one month, 1800 repays in one payment of
    exactly 1800.015, and a monthly rate cut to 28 digits would send that tie the wrong way.

    Args:
        annual_rate_pct: Nominal yearly rate in percent (12 is 12 %), >= 0.
        tenure_months: Number of installments, >= 1.
    Source: ordinary annuity; numpy_financial.pmt gives the same.
    """
    rate, rate_unit = annual_rate_pct.as_integer_ratio()
    rate_unit *= MONTHS_X_PERCENT
    if rate == 0:
        return Annuity(1, tenure_months)
    # In lowest terms 12 % is 1/100, not 12/1200: the powers stay short.
    common = gcd(rate, rate_unit)
    rate, rate_unit = rate // common, rate_unit // common
    growth, unit = (rate_unit + rate) ** tenure_months, rate_unit**tenure_months
    return Annuity(rate * growth, rate_unit * (growth - unit))


def monthly_installment(principal: Decimal, annual_rate_pct: Decimal, tenure_months: int) -> Decimal:
    """Return the equal monthly payment that repays the loan with interest.

    Args:
        principal: Amount lent in major currency units, > 0.
        annual_rate_pct: Nominal yearly rate in percent (12 is 12 %), >= 0.
        tenure_months: Number of installments, >= 1.

    Returns:
        Major units, half to even to the cent: 100000 at 12 % over 12 months is 8884.88.

    Raises:
        ValueError: An argument is out of range; the caller's bug.
    """
    if principal <= 0 or annual_rate_pct < 0 or tenure_months < 1:
        raise ValueError(f"no installment for {principal} at {annual_rate_pct} % over {tenure_months} months")
    return annuity(annual_rate_pct, tenure_months).installment(principal)


def _cents(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
