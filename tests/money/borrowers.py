"""Customers to lend to: each has repaid one loan in time, and may borrow at 12 %."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.cursors import Cursor

APPLICATION: dict[str, Any] = {"loan_amount": 100_000, "interest_rate": 12, "tenure": 12}
INSTALLMENT = Decimal("8884.88")
"""What a loan as in APPLICATION costs a month."""

SALARY_FOR_ONE = 2 * INSTALLMENT + 1
"""A salary whose half pays for one such loan, but not for two."""

ADD_CUSTOMER = "INSERT INTO customers VALUES (%s, 'Asha', 'Test', 40, %s, %s, 9999999999, 0, 0)"
ADD_LOAN = (
    "INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,"
    " start_date, end_date, status) VALUES (%s, 100000, 12, 12, 8884.88, 12, '2020-01-15', '2021-01-15', 'PAID')"
)
LOANS_MADE = (
    "SELECT customer_id, loan_id FROM loans WHERE request_id IS NOT NULL AND customer_id IN %s ORDER BY loan_id"
)


def add_borrowers(
    connection: "pymysql.Connection[Cursor]", customer_ids: Iterable[int], monthly_salary: Decimal
) -> None:
    """Add customers with these ids and this salary."""
    ids = list(customer_ids)
    with connection.cursor() as cursor:
        cursor.executemany(ADD_CUSTOMER, [(customer_id, customer_id, monthly_salary) for customer_id in ids])
        cursor.executemany(ADD_LOAN, [(customer_id,) for customer_id in ids])


def loans_of(connection: "pymysql.Connection[Cursor]", customer_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return the ids of the loans that the service has made for each of these customers."""
    made: dict[int, list[int]] = {customer_id: [] for customer_id in customer_ids}
    with connection.cursor() as cursor:
        cursor.execute(LOANS_MADE, (tuple(customer_ids),))
        for customer_id, loan_id in cursor.fetchall():
            made[customer_id].append(loan_id)
    return made
