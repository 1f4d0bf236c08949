"""The equal monthly installment (EMI): what a loan costs a month, and what a month's payment can carry.

On integers and exact fractions, rounded once: at 0.01 % over one month, 1800 repays in one payment of exactly 1800.015,
and a monthly rate cut to 28 digits would send that tie the wrong way. Amounts are in cents: hundredths of the major
currency unit.
"""

from decimal import Decimal
from math import ceil, gcd, inf, log
from typing import NamedTuple

MONTHS_X_PERCENT = 1200
"""A yearly rate in percent divided by this is a monthly rate as a fraction."""
MAX_LOAN_CENTS = 999_999_999_999
"""The contract's bounds: no more than can be asked for is offered."""
MAX_TENURE = 480
CENT = Decimal("0.01")


def in_cents(amount: Decimal) -> int:
    """Return an amount in major currency units, which has no more than two decimals, in cents."""
    return int(amount.scaleb(2))


def in_units(cents: int) -> Decimal:
    """Return an amount in cents in major currency units, with two decimals."""
    return Decimal(cents).scaleb(-2)


def round_half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator (> 0) as the nearest integer, a tie going to the even one.

    The one rounding of the lending rules.
    """
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient % 2):
        return quotient + 1
    return quotient


class MonthlyRate(NamedTuple):
    """A rate of interest a month, as an exact fraction in lowest terms."""

    numerator: int
    denominator: int


class Annuity(NamedTuple):
    """What repays one unit of principal in a month, as an exact fraction."""

    numerator: int
    denominator: int

    def installment(self, principal: int) -> int:
        """Return the equal monthly payment, half to even to the cent; both in cents."""
        return round_half_even(principal * self.numerator, self.denominator)

    def principal(self, installment: int) -> int:
        """Return the largest principal whose installment is not above this one (>= 0); both in cents."""
        # All that is below half a cent more still rounds to it; whether a tie does depends on the cent.
        most = (2 * installment + 1) * self.denominator // (2 * self.numerator)
        return most if self.installment(most) <= installment else most - 1


def monthly_rate(annual_rate_pct: Decimal) -> MonthlyRate:
    """Return the monthly rate of a nominal yearly one in percent (12 is 12 %), >= 0."""
    rate, unit = annual_rate_pct.as_integer_ratio()
    # In lowest terms 12 % is 1/100, not 12/1200: the powers of an annuity stay short.
    common = gcd(rate, MONTHS_X_PERCENT)
    return MonthlyRate(rate // common, unit * (MONTHS_X_PERCENT // common))


def annuity(rate: MonthlyRate, tenure_months: int) -> Annuity:
    """Return r·(1+r)ⁿ / ((1+r)ⁿ - 1), or 1/n at a zero rate; r is the monthly rate, n the tenure.

    Args:
        rate: Of interest a month.
        tenure_months: Number of installments, >= 1.
    Source: ordinary annuity; numpy_financial.pmt gives the same.
    """
    interest, unit = rate
    if interest == 0:
        return Annuity(1, tenure_months)
    growth, shrunk = (unit + interest) ** tenure_months, unit**tenure_months
    return Annuity(interest * growth, unit * (growth - shrunk))


def monthly_installment(principal: Decimal, annual_rate_pct: Decimal, tenure_months: int) -> Decimal:
    """Return the equal monthly payment that repays the loan with interest.

    Args:
        principal: Amount lent in major currency units, > 0, with no more than two decimals.
        annual_rate_pct: Nominal yearly rate in percent (12 is 12 %), >= 0.
        tenure_months: Number of installments, >= 1.

    Returns:
        Major units, half to even to the cent: 100000 at 12 % over 12 months is 8884.88.

    Raises:
        ValueError: An argument is out of range; the caller's bug.
    """
    if principal <= 0 or annual_rate_pct < 0 or tenure_months < 1:
        raise ValueError(f"no installment for {principal} at {annual_rate_pct} % over {tenure_months} months")
    return in_units(annuity(monthly_rate(annual_rate_pct), tenure_months).installment(in_cents(principal)))


def costs_nothing(principal: int, annual_rate_pct: Decimal, tenure_months: int) -> bool:
    """Return whether the installment rounds to 0.00; the principal is in cents."""
    # An installment is never less than its share of the principal: few need the whole formula.
    if principal >= tenure_months:
        return False
    return annuity(monthly_rate(annual_rate_pct), tenure_months).installment(principal) == 0


def highest_loan_amount(room: int, per_unit: Annuity, asked_rate_pct: Decimal, tenure: int) -> int:
    """Return the largest amount whose installment fits the room; that amount is approved, one cent more is not.

    Args:
        room: What may be paid a month, in cents.
        per_unit: At the rate at which it would be lent, over the tenure.
        asked_rate_pct: The rate that would be asked for again, percent a year; an application whose installment at it
            rounds to 0.00 is refused.
        tenure: Months.
    Returns:
        Cents, at most what the contract takes; 0 where no amount is approved.
    """
    if room <= 0:
        return 0
    most = min(per_unit.principal(room), MAX_LOAN_CENTS)
    return 0 if costs_nothing(most, asked_rate_pct, tenure) else most


def shortest_tenure(room: int, loan_amount: int, rate: MonthlyRate, asked_rate_pct: Decimal) -> int | None:
    """Return the fewest months over which the amount's installment fits the room.

    That tenure is approved, one month less is not. None where no tenure of the contract is approved.

    Args:
        room: What may be paid a month, in cents.
        loan_amount: Cents.
        rate: At which it would be lent.
        asked_rate_pct: As in highest_loan_amount().
    """
    if room <= 0:
        return None
    tenure = min(max(_about(room, loan_amount, rate), 1), MAX_TENURE)
    # The estimate is in floats; the decision's own arithmetic has the last word.
    while tenure > 1 and annuity(rate, tenure - 1).installment(loan_amount) <= room:
        tenure -= 1
    while annuity(rate, tenure).installment(loan_amount) > room:
        if tenure == MAX_TENURE:
            return None
        tenure += 1
    return None if costs_nothing(loan_amount, asked_rate_pct, tenure) else tenure


def _about(room: int, loan_amount: int, rate: MonthlyRate) -> int:
    """Return about how many months it takes: the annuity's formula solved for n."""
    payment, growth = room + 0.5, rate.numerator / rate.denominator
    interest = loan_amount * growth
    if interest == 0:
        months = loan_amount / payment
    elif payment <= interest:
        months = inf
    else:
        months = log(payment / (payment - interest)) / log(1 + growth)
    return ceil(min(months, MAX_TENURE))
