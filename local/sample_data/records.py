"""What the hand-made and the random customers have in common: ids, phone numbers, sums."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from lending.domain.installment import monthly_installment
from lending.domain.loans import end_of_tenure

FIRST_CUSTOMER_ID = 1001
LOAN_IDS_PER_CUSTOMER = 100
"""Customer 1001's loans are 100101, 100102, ...: no customer's loans depend on how many others there are."""


class Customer(NamedTuple):
    """A row of `customers`; the fields are its columns, and the titles of the sample's file."""

    customer_id: int
    first_name: str
    last_name: str
    age: int
    phone_number: str
    monthly_salary: Decimal
    approved_limit: Decimal
    current_debt: Decimal


class Loan(NamedTuple):
    """A row of `loans`, likewise; the id is the lender's own as well."""

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


CustomerWithLoans = tuple[Customer, list[Loan]]


def loan_record(
    *,
    customer_id: int,
    number: int,
    loan_amount: Decimal,
    interest_rate: Decimal,
    tenure: int,
    emis_paid_on_time: int,
    start_date: date,
    today: date,
) -> Loan:
    """Return the customer's loan of this number (1, 2, ...), the installment and the end as the rules have them."""
    end_date = end_of_tenure(start_date, tenure)
    return Loan(
        customer_id=customer_id,
        loan_id=customer_id * LOAN_IDS_PER_CUSTOMER + number,
        loan_amount=loan_amount,
        tenure=tenure,
        interest_rate=interest_rate,
        monthly_repayment=monthly_installment(loan_amount, interest_rate, tenure),
        emis_paid_on_time=emis_paid_on_time,
        start_date=start_date,
        end_date=end_date,
        status="PAID" if end_date < today else "APPROVED",
    )


def phone_number(customer_id: int) -> str:
    """Return a number of this customer only. 555 numbers belong to nobody."""
    return f"555{customer_id:07d}"


def current_debt(loans: Sequence[Loan]) -> Decimal:
    """Return the sum of loan_amount over the current loans: those the day of the sample does not see ended."""
    return sum((loan.loan_amount for loan in loans if loan.status != "PAID"), Decimal(0))


def current_installments(loans: Sequence[Loan]) -> Decimal:
    """Return the sum of monthly_repayment over the same loans."""
    return sum((loan.monthly_repayment for loan in loans if loan.status != "PAID"), Decimal(0))
