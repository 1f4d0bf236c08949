"""The loan store in MySQL or MariaDB: all SQL of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from lending.adapters.mysql_connection import MySQLConnection, Transaction
from lending.domain.eligibility import Decision
from lending.domain.loans import CreditRecord, LoanApplication, end_of_tenure
from lending.errors import CustomerNotFoundError

# One statement for the customer and all sums over their loans: one round trip, one snapshot.
CREDIT_RECORD = """
SELECT c.customer_id, c.monthly_salary, c.approved_limit,
       COUNT(l.loan_id),
       COALESCE(SUM(l.emis_paid_on_time), 0),
       COALESCE(SUM(l.tenure), 0),
       COALESCE(SUM(l.start_date BETWEEN %(first_of_year)s AND %(last_of_year)s), 0),
       COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PAID') THEN l.loan_amount END), 0),
       COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                         THEN l.loan_amount END), 0),
       COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                         THEN l.monthly_repayment END), 0),
       MIN(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s THEN l.end_date END)
  FROM customers c LEFT JOIN loans l ON l.customer_id = c.customer_id
 WHERE c.customer_id = %(customer_id)s
 GROUP BY c.customer_id, c.monthly_salary, c.approved_limit
"""

LOCK_CUSTOMER = "SELECT 1 FROM customers WHERE customer_id = %(customer_id)s FOR UPDATE"

ADD_LOAN = """
INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date, end_date, status)
VALUES (%(customer_id)s, %(loan_amount)s, %(tenure)s, %(interest_rate)s, %(monthly_repayment)s,
        %(start_date)s, %(end_date)s, 'APPROVED')
"""


class MySQLLoanStore:
    """LoanStore on one connection."""

    def __init__(self, connection: MySQLConnection) -> None:
        """Take the connection of this execution environment."""
        self._connection = connection

    def credit_record(self, customer_id: int, today: date) -> CreditRecord:
        """See LoanStore."""
        return _credit_record(self._connection.query(CREDIT_RECORD, _on(customer_id, today)), customer_id)

    @contextmanager
    def transaction(self) -> Iterator["MySQLLoanTransaction"]:
        """See LoanStore."""
        with self._connection.transaction() as transaction:
            yield MySQLLoanTransaction(transaction)

    def close(self) -> None:
        """See the port."""
        self._connection.close()


class MySQLLoanTransaction:
    """LoanTransaction on a transaction of the connection."""

    def __init__(self, transaction: Transaction) -> None:
        """Take a transaction that has begun."""
        self._transaction = transaction

    def lock_customer(self, customer_id: int) -> None:
        """See LoanTransaction."""
        if not self._transaction.execute(LOCK_CUSTOMER, {"customer_id": customer_id}).fetchall():
            raise CustomerNotFoundError(customer_id)

    def credit_record(self, customer_id: int, today: date) -> CreditRecord:
        """See LoanTransaction."""
        rows = self._transaction.execute(CREDIT_RECORD, _on(customer_id, today)).fetchall()
        return _credit_record(rows, customer_id)

    def add_loan(self, application: LoanApplication, decision: Decision, today: date) -> int:
        """See LoanTransaction."""
        cursor = self._transaction.execute(
            ADD_LOAN,
            {
                "customer_id": application.customer_id,
                "loan_amount": application.loan_amount,
                "tenure": application.tenure,
                "interest_rate": decision.corrected_interest_rate,
                "monthly_repayment": decision.monthly_installment,
                "start_date": today,
                "end_date": end_of_tenure(today, application.tenure),
            },
        )
        return int(cursor.lastrowid)

    def commit(self) -> None:
        """See LoanTransaction."""
        self._transaction.commit()


def _on(customer_id: int, today: date) -> dict[str, object]:
    return {
        "customer_id": customer_id,
        "today": today,
        "first_of_year": date(today.year, 1, 1),
        "last_of_year": date(today.year, 12, 31),
    }


def _credit_record(rows: tuple[tuple[Any, ...], ...], customer_id: int) -> CreditRecord:
    if not rows:
        raise CustomerNotFoundError(customer_id)
    ((customer, salary, limit, loans, paid, tenure, this_year, *amounts),) = rows
    # SUM over integers is DECIMAL in MySQL.
    return CreditRecord(customer, salary, limit, loans, int(paid), int(tenure), int(this_year), *amounts)
