"""From the cells of one line to a customer or a loan within the bounds of the schema."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from importer.errors import Reason, RejectedRowError
from importer.portfolio import Customer, Loan, status_by_date

MAX_CUSTOMER_ID = 2**32 - 1
MAX_LOAN_ID = 2**53 - 1
"""New loans are numbered on from the highest id: beyond this JSON readers would round them."""
MAX_AGE = 255
MAX_MONEY = Decimal("9999999999.99")
MAX_TENURE = 65535
MAX_RATE_PCT = Decimal(100)
MAX_NAME_LENGTH = 100
FIRST_DATE = date(1000, 1, 1)
"""MySQL supports none before."""
STATUSES = ("APPROVED", "PENDING", "PAID")

CENT = Decimal("0.01")
ZERO = Decimal(0)

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")
# Zeros may follow the cents: some databases export money with four decimals.
MONEY = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,2}0*)?")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PHONE_NUMBER = re.compile(r"\+?[0-9]{1,15}")


def parse_customer(cells: Sequence[str]) -> Customer:
    """Return the customer whose cells these are, in the order of Customer; an empty current_debt is None.

    Raises:
        RejectedRowError: The schema would not have it.
    """
    customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit, current_debt = cells
    return Customer(
        customer_id=_whole("customer_id", customer_id, 1, MAX_CUSTOMER_ID),
        first_name=_name("first_name", first_name),
        last_name=_name("last_name", last_name),
        age=_whole("age", age, 0, MAX_AGE),
        phone_number=_phone_number(phone_number),
        monthly_salary=_amount("monthly_salary", monthly_salary, ZERO, MAX_MONEY),
        approved_limit=_amount("approved_limit", approved_limit, ZERO, MAX_MONEY),
        current_debt=_amount("current_debt", current_debt, ZERO, MAX_MONEY) if current_debt else None,
    )


def parse_loan(cells: Sequence[str], today: date) -> Loan:
    """Return the loan whose cells these are, in the order of Loan; an empty status follows from end_date and today.

    Raises:
        RejectedRowError: The schema would not have it.
    """
    customer_id, loan_id, amount, tenure, rate, repayment, emis_paid_on_time, start_date, end_date, status = cells
    start, end = _date("start_date", start_date), _date("end_date", end_date)
    loan = Loan(
        customer_id=_whole("customer_id", customer_id, 1, MAX_CUSTOMER_ID),
        loan_id=_whole("loan_id", loan_id, 1, MAX_LOAN_ID),
        loan_amount=_amount("loan_amount", amount, CENT, MAX_MONEY),
        tenure=_whole("tenure", tenure, 1, MAX_TENURE),
        interest_rate=_amount("interest_rate", rate, ZERO, MAX_RATE_PCT),
        monthly_repayment=_amount("monthly_repayment", repayment, ZERO, MAX_MONEY),
        emis_paid_on_time=_whole("emis_paid_on_time", emis_paid_on_time, 0, MAX_TENURE),
        start_date=start,
        end_date=end,
        status=_status(status) if status else status_by_date(end, today),
    )
    if loan.end_date < loan.start_date:
        raise RejectedRowError(Reason.END_BEFORE_START, f"ends {loan.end_date}, starts {loan.start_date}")
    if loan.emis_paid_on_time > loan.tenure:
        raise RejectedRowError(Reason.PAID_MORE_THAN_TENURE, f"{loan.emis_paid_on_time} paid of {loan.tenure}")
    return loan


def _whole(column: str, text: str, lowest: int, highest: int) -> int:
    if not WHOLE_NUMBER.fullmatch(text):
        raise RejectedRowError(Reason.BAD_NUMBER, f"{column}: {text!r} is not a whole number")
    number = int(text)
    if not lowest <= number <= highest:
        raise RejectedRowError(Reason.OUT_OF_RANGE, f"{column}: {text} is not from {lowest} to {highest}")
    return number


def _amount(column: str, text: str, lowest: Decimal, highest: Decimal) -> Decimal:
    if not MONEY.fullmatch(text):
        raise RejectedRowError(Reason.BAD_NUMBER, f"{column}: {text!r} is not a number with at most 2 decimals")
    number = Decimal(text)
    if not lowest <= number <= highest:
        raise RejectedRowError(Reason.OUT_OF_RANGE, f"{column}: {text} is not from {lowest} to {highest}")
    return number


def _date(column: str, text: str) -> date:
    try:
        # fromisoformat alone would take other forms as well, such as 2026-W48-1.
        day = date.fromisoformat(text) if DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day < FIRST_DATE:
        raise RejectedRowError(Reason.BAD_DATE, f"{column}: {text!r} is not a date as 2026-11-23")
    return day


def _name(column: str, text: str) -> str:
    if not 1 <= len(text) <= MAX_NAME_LENGTH:
        raise RejectedRowError(Reason.BAD_NAME, f"{column}: {len(text)} characters, not 1 to {MAX_NAME_LENGTH}")
    return text


def _phone_number(text: str) -> str:
    if not PHONE_NUMBER.fullmatch(text):
        raise RejectedRowError(Reason.BAD_PHONE_NUMBER, f"phone_number: {text!r} is not a number of at most 15 digits")
    return text


def _status(text: str) -> str:
    if text not in STATUSES:
        raise RejectedRowError(Reason.BAD_STATUS, f"status: {text!r} is none of {', '.join(STATUSES)}")
    return text
