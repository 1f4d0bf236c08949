"""One customer and one loan, as the two tables and the two CSV files hold them."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple


class Customer(NamedTuple):
    """A row of `customers`; the fields are its columns, in order."""

    customer_id: int
    first_name: str
    last_name: str
    age: int
    phone_number: str
    monthly_salary: Decimal
    approved_limit: Decimal
    current_debt: Decimal | None
    """None in a file that does not say: a new customer has none, an existing one keeps theirs."""


class Loan(NamedTuple):
    """A row of `loans`; the fields are its columns, in order."""

    customer_id: int
    loan_id: int
    loan_amount: Decimal
    tenure: int
    interest_rate: Decimal
    monthly_repayment: Decimal
    emis_paid_on_time: int
    start_date: date
    end_date: date
    status: str


def status_by_date(end_date: date, today: date) -> str:
    """Return the status of a loan of which only the dates are known."""
    return "PAID" if end_date < today else "APPROVED"
