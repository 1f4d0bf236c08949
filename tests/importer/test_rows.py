"""What the importer makes of the cells of one line."""

from datetime import date
from decimal import Decimal

import pytest

from importer.errors import Reason, RejectedRowError
from importer.portfolio import Customer, Loan
from importer.rows import parse_customer, parse_loan

TODAY = date(2026, 11, 23)

CUSTOMER = {
    "customer_id": "7",
    "first_name": "Asha",
    "last_name": "Rao",
    "age": "41",
    "phone_number": "5550000007",
    "monthly_salary": "50000",
    "approved_limit": "1800000",
    "current_debt": "",
}
LOAN = {
    "customer_id": "7",
    "loan_id": "701",
    "loan_amount": "100000",
    "tenure": "12",
    "interest_rate": "12",
    "monthly_repayment": "8884.88",
    "emis_paid_on_time": "12",
    "start_date": "2024-01-31",
    "end_date": "2025-01-31",
    "status": "",
}


def customer(**cells: str) -> Customer:
    return parse_customer(list((CUSTOMER | cells).values()))


def loan(**cells: str) -> Loan:
    return parse_loan(list((LOAN | cells).values()), TODAY)


def test_cells_become_typed_values() -> None:
    assert customer() == Customer(7, "Asha", "Rao", 41, "5550000007", Decimal(50000), Decimal(1800000), None)
    assert loan() == Loan(
        customer_id=7,
        loan_id=701,
        loan_amount=Decimal(100000),
        tenure=12,
        interest_rate=Decimal(12),
        monthly_repayment=Decimal("8884.88"),
        emis_paid_on_time=12,
        start_date=date(2024, 1, 31),
        end_date=date(2025, 1, 31),
        status="PAID",
    )


@pytest.mark.parametrize(
    ("end_date", "status"), [("2026-11-22", "PAID"), ("2026-11-23", "APPROVED"), ("2030-01-01", "APPROVED")]
)
def test_without_a_status_a_loan_is_paid_once_its_end_is_past(end_date: str, status: str) -> None:
    assert loan(end_date=end_date).status == status


@pytest.mark.parametrize("status", ["APPROVED", "PENDING", "PAID"])
def test_a_given_status_stands_whatever_the_dates(status: str) -> None:
    assert loan(status=status).status == status


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("customer_id", "4294967295", 2**32 - 1),
        ("first_name", "é" * 100, "é" * 100),
        ("age", "255", 255),
        ("phone_number", "+123456789012345", "+123456789012345"),
        ("monthly_salary", "0", Decimal(0)),
        ("approved_limit", "9999999999.99", Decimal("9999999999.99")),
        ("current_debt", "12.5000", Decimal("12.5")),
    ],
)
def test_a_customer_may_be_at_the_bounds(column: str, text: str, value: object) -> None:
    assert getattr(customer(**{column: text}), column) == value


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("loan_id", "9007199254740991", 2**53 - 1),
        ("loan_amount", "0.01", Decimal("0.01")),
        ("tenure", "65535", 65535),
        ("interest_rate", "100.00", Decimal(100)),
        ("monthly_repayment", "0", Decimal(0)),
        ("emis_paid_on_time", "0", 0),
        ("start_date", "1000-01-01", date(1000, 1, 1)),
        ("end_date", "2024-01-31", date(2024, 1, 31)),
        ("end_date", "9999-12-31", date(9999, 12, 31)),
    ],
)
def test_a_loan_may_be_at_the_bounds(column: str, text: str, value: object) -> None:
    assert getattr(loan(**{column: text}), column) == value


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("customer_id", "", Reason.BAD_NUMBER),
        ("customer_id", "seven", Reason.BAD_NUMBER),
        ("customer_id", "7.0", Reason.BAD_NUMBER),
        ("customer_id", "1_000", Reason.BAD_NUMBER),
        ("customer_id", "\u0667", Reason.BAD_NUMBER),
        ("customer_id", "9" * 10_000, Reason.BAD_NUMBER),
        ("customer_id", "0", Reason.OUT_OF_RANGE),
        ("customer_id", "4294967296", Reason.OUT_OF_RANGE),
        ("first_name", "", Reason.BAD_NAME),
        ("last_name", "x" * 101, Reason.BAD_NAME),
        ("age", "-1", Reason.OUT_OF_RANGE),
        ("age", "256", Reason.OUT_OF_RANGE),
        ("phone_number", "", Reason.BAD_PHONE_NUMBER),
        ("phone_number", "call me", Reason.BAD_PHONE_NUMBER),
        ("phone_number", "1234567890123456", Reason.BAD_PHONE_NUMBER),
        ("monthly_salary", "50,000", Reason.BAD_NUMBER),
        ("monthly_salary", "5e4", Reason.BAD_NUMBER),
        ("monthly_salary", "NaN", Reason.BAD_NUMBER),
        ("monthly_salary", "0.005", Reason.BAD_NUMBER),
        ("monthly_salary", "-0.01", Reason.OUT_OF_RANGE),
        ("approved_limit", "10000000000", Reason.OUT_OF_RANGE),
        ("current_debt", "none", Reason.BAD_NUMBER),
    ],
)
def test_a_customer_that_the_schema_would_refuse_is_rejected(column: str, text: str, reason: Reason) -> None:
    with pytest.raises(RejectedRowError, match=column) as rejected:
        customer(**{column: text})

    assert rejected.value.reason is reason


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("loan_id", "0", Reason.OUT_OF_RANGE),
        ("loan_id", "9007199254740992", Reason.OUT_OF_RANGE),
        ("loan_amount", "0", Reason.OUT_OF_RANGE),
        ("tenure", "0", Reason.OUT_OF_RANGE),
        ("tenure", "65536", Reason.OUT_OF_RANGE),
        ("interest_rate", "100.01", Reason.OUT_OF_RANGE),
        ("interest_rate", "12 %", Reason.BAD_NUMBER),
        ("monthly_repayment", "-1", Reason.OUT_OF_RANGE),
        ("emis_paid_on_time", "-1", Reason.OUT_OF_RANGE),
        ("start_date", "", Reason.BAD_DATE),
        ("start_date", "31/01/2024", Reason.BAD_DATE),
        ("start_date", "20240131", Reason.BAD_DATE),
        ("start_date", "2024-W05-3", Reason.BAD_DATE),
        ("start_date", "2023-02-29", Reason.BAD_DATE),
        ("start_date", "0999-12-31", Reason.BAD_DATE),
        ("status", "REPAID", Reason.BAD_STATUS),
        ("status", "paid", Reason.BAD_STATUS),
    ],
)
def test_a_loan_that_the_schema_would_refuse_is_rejected(column: str, text: str, reason: Reason) -> None:
    with pytest.raises(RejectedRowError, match=column) as rejected:
        loan(**{column: text})

    assert rejected.value.reason is reason


def test_a_loan_cannot_end_before_it_starts() -> None:
    with pytest.raises(RejectedRowError, match="END_BEFORE_START: ends 2024-01-30, starts 2024-01-31"):
        loan(end_date="2024-01-30")


def test_no_more_installments_are_paid_than_there_are() -> None:
    with pytest.raises(RejectedRowError, match="PAID_MORE_THAN_TENURE: 13 paid of 12"):
        loan(emis_paid_on_time="13")
