"""The equal monthly installment (EMI): what a loan costs a month, and what a month's payment can carry.

On integers and exact fractions, rounded once: at 0.01 % over one month, 1800 repays in one payment of exactly 1800.015,
and a monthly rate cut to 28 digits would send that tie the wrong way.
"""

from decimal import ROUND_FLOOR, Decimal
from math import ceil, gcd, inf, log
from typing import NamedTuple

MONTHS_X_PERCENT = 1200
"""A yearly rate in percent divided by this is a monthly rate as a fraction."""
MAX_LOAN_AMOUNT = Decimal("9999999999.99")
"""The contract's bounds: no more than can be asked for is offered."""
MAX_TENURE = 480
CENT = Decimal("0.01")


def round_half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator (> 0) as the nearest integer, a tie going to the even one.

    The one rounding of the lending rules.
    """
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient % 2):
        return quotient + 1
    return quotient


class Annuity(NamedTuple):
    """What repays one unit of principal in a month, as an exact fraction."""

    numerator: int
    denominator: int

    def installment(self, principal: Decimal) -> Decimal:
        """Return the equal monthly payment, half to even to the cent, both in major currency units."""
        amount, unit = principal.as_integer_ratio()
        return Decimal(round_half_even(100 * amount * self.numerator, unit * self.denominator)).scaleb(-2)

    def principal(self, installment: Decimal) -> Decimal:
        """Return the largest principal, to the cent, whose installment is not above this one (>= 0)."""
        # All that is below half a cent more still rounds to it; whether a tie does depends on the cent.
        double_cents = 2 * int(installment.scaleb(2)) + 1
        most = Decimal(double_cents * self.denominator // (2 * self.numerator)).scaleb(-2)
        return most if self.installment(most) <= installment else most - CENT


def annuity(annual_rate_pct: Decimal, tenure_months: int) -> Annuity:
    """Return r·(1+r)ⁿ / ((1+r)ⁿ - 1), or 1/n at a zero rate; r is the monthly rate, n the tenure.

    Args:
        annual_rate_pct: Nominal yearly rate in percent (12 is 12 %), >= 0.
        tenure_months: Number of installments, >= 1.
    Source: ordinary annuity; numpy_financial.pmt gives the same.
    """
    rate, rate_unit = annual_rate_pct.as_integer_ratio()
    if rate == 0:
        return Annuity(1, tenure_months)
    rate_unit *= MONTHS_X_PERCENT
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


def costs_nothing(principal: Decimal, annual_rate_pct: Decimal, tenure_months: int) -> bool:
    """Return whether the installment rounds to 0.00; the arguments are those of monthly_installment()."""
    # An installment is never less than its share of the principal: few need the whole formula.
    return principal < tenure_months * CENT and annuity(annual_rate_pct, tenure_months).installment(principal) == 0


def room_for_installments(monthly_salary: Decimal, share_pct: Decimal, current_installments: Decimal) -> Decimal:
    """Return the largest installment that a share of the salary carries beside the current ones; below 0: none."""
    return (monthly_salary * share_pct / 100 - current_installments).quantize(CENT, ROUND_FLOOR)


def highest_loan_amount(room: Decimal, per_unit: Annuity, asked_rate_pct: Decimal, tenure: int) -> Decimal:
    """Return the largest amount whose installment fits the room; that amount is approved, one cent more is not.

    Args:
        room: What may be paid a month, in major currency units.
        per_unit: At the rate at which it would be lent, over the tenure.
        asked_rate_pct: The rate that would be asked for again, percent a year; an application whose installment at it
            rounds to 0.00 is refused.
        tenure: Months.
    Returns:
        Major units, at most what the contract takes; 0 where no amount is approved.
    """
    if room <= 0:
        return Decimal(0)
    most = min(per_unit.principal(room), MAX_LOAN_AMOUNT)
    return Decimal(0) if costs_nothing(most, asked_rate_pct, tenure) else most


def shortest_tenure(room: Decimal, loan_amount: Decimal, rate_pct: Decimal, asked_rate_pct: Decimal) -> int | None:
    """Return the fewest months over which the amount's installment fits the room.

    That tenure is approved, one month less is not. None where no tenure of the contract is approved.

    Args:
        room: What may be paid a month, in major currency units.
        loan_amount: Major units.
        rate_pct: The rate at which it would be lent, percent a year.
        asked_rate_pct: As in highest_loan_amount().
    """
    if room <= 0:
        return None
    tenure = min(max(_about(room, loan_amount, rate_pct), 1), MAX_TENURE)
    # The estimate is in floats; the decision's own arithmetic has the last word.
    while tenure > 1 and annuity(rate_pct, tenure - 1).installment(loan_amount) <= room:
        tenure -= 1
    while annuity(rate_pct, tenure).installment(loan_amount) > room:
        if tenure == MAX_TENURE:
            return None
        tenure += 1
    return None if costs_nothing(loan_amount, asked_rate_pct, tenure) else tenure


def _about(room: Decimal, loan_amount: Decimal, rate_pct: Decimal) -> int:
    """Return about how many months it takes: the annuity's formula solved for n."""
    payment, principal, rate = float(room) + 0.005, float(loan_amount), float(rate_pct) / MONTHS_X_PERCENT
    interest = principal * rate
    if interest == 0:
        months = principal / payment
    elif payment <= interest:
        months = inf
    else:
        months = log(payment / (payment - interest)) / log(1 + rate)
    return ceil(min(months, MAX_TENURE))
