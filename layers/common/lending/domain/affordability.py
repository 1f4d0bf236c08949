"""What a customer can afford to pay a month, and what could be lent on it instead."""

from decimal import ROUND_FLOOR, Decimal
from math import ceil, inf, log

from lending.domain.installment import MONTHS_X_PERCENT, Annuity, annuity

MAX_LOAN_AMOUNT = Decimal("9999999999.99")
"""The contract's bounds: no more than can be asked for is offered."""
MAX_TENURE = 480
CENT = Decimal("0.01")


def room_for_installments(monthly_salary: Decimal, current_installments: Decimal) -> Decimal:
    """Return the largest installment that half the salary carries beside the current ones; below 0 where none is."""
    return (monthly_salary / 2 - current_installments).quantize(CENT, ROUND_FLOOR)


def highest_loan_amount(room: Decimal, rate_pct: Decimal, asked_rate_pct: Decimal, tenure: int) -> Decimal:
    """Return the largest amount whose installment fits the room; that amount is approved, one cent more is not.

    Args:
        room: What may be paid a month, in major currency units.
        rate_pct: The rate at which it would be lent, percent a year.
        asked_rate_pct: The rate that would be asked for again; an application whose installment at it rounds to 0.00 is
            refused.
        tenure: Months.
    Returns:
        Major units, at most what the contract takes; 0 where no amount is approved.
    """
    return _highest(room, annuity(rate_pct, tenure), asked_rate_pct, tenure)


def _highest(room: Decimal, per_unit: Annuity, asked_rate_pct: Decimal, tenure: int) -> Decimal:
    if room <= 0:
        return Decimal(0)
    most = min(per_unit.principal(room), MAX_LOAN_AMOUNT)
    return most if annuity(asked_rate_pct, tenure).installment(most) > 0 else Decimal(0)


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
    while tenure > 1 and _fits(room, loan_amount, rate_pct, tenure - 1):
        tenure -= 1
    while not _fits(room, loan_amount, rate_pct, tenure):
        if tenure == MAX_TENURE:
            return None
        tenure += 1
    return tenure if annuity(asked_rate_pct, tenure).installment(loan_amount) > 0 else None


def _fits(room: Decimal, loan_amount: Decimal, rate_pct: Decimal, tenure: int) -> bool:
    return annuity(rate_pct, tenure).installment(loan_amount) <= room


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
