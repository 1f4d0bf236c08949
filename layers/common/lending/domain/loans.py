"""Loans as the rules see them: what is asked for, what is on record, when a new one ends."""

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple


class LoanApplication(NamedTuple):
    """What a customer asks for; within the contract's bounds."""

    customer_id: int
    loan_amount: Decimal
    """Major currency units."""
    interest_rate: Decimal
    """Percent a year."""
    tenure: int
    """Months."""
    highest_interest_rate: Decimal | None = None
    """Percent a year: the highest corrected rate that the caller would accept; None when they do not say."""


class LoanRequest(NamedTuple):
    """One request to lend, told apart from its own repetitions and from others."""

    application: LoanApplication
    request_id: str
    """This request's alone; a repetition by the client has another."""
    idempotency_key: bytes | None = None
    """The same for all repetitions, and no other caller's; None when the client sent none."""
    earlier_idempotency_key: bytes | None = None
    """What an earlier release stored for it, where that differs."""


class LoanMade(NamedTuple):
    """A loan that was made here."""

    loan_id: int
    start_date: date
    end_date: date


class CreditRecord(NamedTuple):
    """A customer's terms and the sums over their loans that the rules need, all read at one moment.

    Money is in major currency units. A loan is current when it is APPROVED or PENDING and its end_date >= today.
    """

    customer_id: int
    monthly_salary: Decimal
    approved_limit: Decimal
    on_hold: bool
    """Whether somebody has said to lend this customer nothing."""
    loans: int
    emis_paid_on_time: int
    """Sum over all loans."""
    tenure_months: int
    """Sum over all loans."""
    loans_this_year: int
    """Loans whose start_date lies in today's calendar year."""
    lent_amount: Decimal
    """Sum of loan_amount over APPROVED and PAID loans."""
    current_amount: Decimal
    """Sum of loan_amount over current loans."""
    current_installments: Decimal
    """Sum of monthly_repayment over current loans."""
    first_current_end: date | None
    """The earliest end_date among current loans."""


def end_of_tenure(start: date, tenure_months: int) -> date:
    """Return the day `tenure_months` calendar months after start; in a shorter month its last day.

    31 January plus one month is the last day of February.
    """
    years, month_index = divmod(start.month - 1 + tenure_months, 12)
    year, month = start.year + years, month_index + 1
    last_of_month = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return min(date(year, month, 1) + timedelta(days=start.day - 1), last_of_month)
