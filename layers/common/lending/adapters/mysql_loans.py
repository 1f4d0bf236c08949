"""The loan store in MySQL or MariaDB: all SQL of the service."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor
from typing_extensions import override

from lending.adapters.mysql_connection import READ_ONLY, MySQLConnection, Transaction, demoted
from lending.domain.eligibility import Decision, ReasonCode
from lending.domain.loans import CreditRecord, LoanApplication, LoanRequest, end_of_tenure
from lending.errors import (
    ConnectionLostError,
    CustomerNotFoundError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.ports import EarlierResult, LoanStore, LoanTransaction, Reading

# One statement for the customers and all sums over their loans: one round trip, one snapshot. It says in every row
# whether the server takes writes, and has a row where there is no customer: a demoted one may not know them yet. (It
# asks in a table of its own: beside GROUP BY, MariaDB says of one customer that read_only is 0, whatever it is.)
CREDIT_RECORDS = f"""
SELECT server.read_only, server.innodb_read_only, c.customer_id, c.monthly_salary, c.approved_limit, c.on_hold,
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
  FROM (SELECT {READ_ONLY}) AS server
       LEFT JOIN customers c ON c.customer_id IN %(customer_ids)s
       LEFT JOIN loans l ON l.customer_id = c.customer_id
 GROUP BY server.read_only, server.innodb_read_only, c.customer_id, c.monthly_salary, c.approved_limit, c.on_hold
"""

LOCK_CUSTOMER = f"""
SELECT server.read_only, server.innodb_read_only, c.customer_id
  FROM (SELECT {READ_ONLY}) AS server LEFT JOIN customers c ON c.customer_id = %(customer_id)s
   FOR UPDATE
"""

RESULT_OF_KEY = """
SELECT customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate, monthly_repayment,
       '' AS reason_codes, loan_id, request_id
  FROM loans WHERE idempotency_key = %(idempotency_key)s
 UNION ALL
SELECT customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate, monthly_installment,
       reason_codes, NULL, request_id
  FROM declined_requests WHERE idempotency_key = %(idempotency_key)s
"""

RESULT_OF_REQUEST = """
SELECT customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate, monthly_repayment,
       '' AS reason_codes, loan_id, request_id
  FROM loans WHERE customer_id = %(customer_id)s AND request_id = %(request_id)s
"""

ADD_LOAN = """
INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date, end_date, status,
                   request_id, idempotency_key, asked_interest_rate, credit_score)
VALUES (%(customer_id)s, %(loan_amount)s, %(tenure)s, %(interest_rate)s, %(monthly_installment)s,
        %(start_date)s, %(end_date)s, 'APPROVED',
        %(request_id)s, %(idempotency_key)s, %(asked_interest_rate)s, %(credit_score)s)
"""

ADD_DECLINE = """
INSERT INTO declined_requests (idempotency_key, customer_id, loan_amount, tenure, asked_interest_rate, credit_score,
                               interest_rate, monthly_installment, reason_codes, request_id)
VALUES (%(idempotency_key)s, %(customer_id)s, %(loan_amount)s, %(tenure)s, %(asked_interest_rate)s, %(credit_score)s,
        %(interest_rate)s, %(monthly_installment)s, %(reason_codes)s, %(request_id)s)
"""


Rows = tuple[tuple[Any, ...], ...]
CUSTOMER_ID = 2
"""Where the customer stands in a row, behind READ_ONLY."""


class MySQLLoanStore(LoanStore):
    """LoanStore on one connection."""

    def __init__(self, connection: MySQLConnection) -> None:
        self._connection = connection

    @override
    def credit_record(self, customer_id: int, today: date) -> Reading:
        rows = self._read([customer_id], today)
        return Reading(_credit_record(rows, customer_id), from_writer=not _from_demoted(rows))

    @override
    def credit_records(self, customer_ids: Sequence[int], today: date) -> list[CreditRecord]:
        rows = self._read(customer_ids, today)
        if _from_demoted(rows):
            raise StoreUnavailableError("The loan store takes no writes: its records may be old.")
        return [_record(row) for row in rows if row[CUSTOMER_ID] is not None]

    def _read(self, customer_ids: Sequence[int], today: date) -> Rows:
        rows = self._connection.query(CREDIT_RECORDS, _on(customer_ids, today))
        if _from_demoted(rows):
            # The connection has outlived a failover: a new one leads to the writer.
            self._connection.forget()
            rows = self._connection.query(CREDIT_RECORDS, _on(customer_ids, today))
        return rows

    @override
    @contextmanager
    def transaction(self) -> Iterator["MySQLLoanTransaction"]:
        with self._connection.transaction() as transaction:
            yield MySQLLoanTransaction(transaction)


class MySQLLoanTransaction(LoanTransaction):
    """LoanTransaction on a transaction of the connection."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @override
    def lock_customer(self, customer_id: int) -> None:
        rows = self._transaction.execute(LOCK_CUSTOMER, {"customer_id": customer_id}).fetchall()
        if _from_demoted(rows):
            # Before anything is believed of it: it may lack the loan that somebody looks for.
            self._transaction.abandon()
            raise ConnectionLostError
        _require(rows, customer_id)

    @override
    def credit_record(self, customer_id: int, today: date) -> CreditRecord:
        rows = self._transaction.execute(CREDIT_RECORDS, _on([customer_id], today)).fetchall()
        return _credit_record(rows, customer_id)

    @override
    def result_of_key(self, idempotency_key: bytes) -> EarlierResult | None:
        rows = self._transaction.execute(RESULT_OF_KEY, {"idempotency_key": idempotency_key}).fetchall()
        return _earlier_result(rows)

    @override
    def result_of_request(self, customer_id: int, request_id: str) -> EarlierResult | None:
        parameters = {"customer_id": customer_id, "request_id": request_id}
        return _earlier_result(self._transaction.execute(RESULT_OF_REQUEST, parameters).fetchall())

    @override
    def add_loan(self, request: LoanRequest, decision: Decision, today: date) -> int:
        dates = {"start_date": today, "end_date": end_of_tenure(today, request.application.tenure)}
        return int(self._add(ADD_LOAN, _columns(request, decision) | dates).lastrowid)

    @override
    def add_decline(self, request: LoanRequest, decision: Decision) -> None:
        self._add(ADD_DECLINE, _columns(request, decision))

    def _add(self, sql: str, columns: dict[str, object]) -> Cursor:
        try:
            return self._transaction.execute(sql, columns)
        except pymysql.IntegrityError as exc:
            if exc.args[0] != ER.DUP_ENTRY:
                raise
            # A request for another customer has taken the idempotency key since it was looked up.
            raise TransactionConflictError from exc

    @override
    def commit(self) -> None:
        self._transaction.commit()


def _on(customer_ids: Sequence[int], today: date) -> dict[str, object]:
    return {
        "customer_ids": customer_ids,
        "today": today,
        "first_of_year": date(today.year, 1, 1),
        "last_of_year": date(today.year, 12, 31),
    }


def _columns(request: LoanRequest, decision: Decision) -> dict[str, object]:
    application = request.application
    return {
        "customer_id": application.customer_id,
        "loan_amount": application.loan_amount,
        "tenure": application.tenure,
        "asked_interest_rate": application.interest_rate,
        "credit_score": decision.credit_score,
        "interest_rate": decision.corrected_interest_rate,
        "monthly_installment": decision.monthly_installment,
        "reason_codes": ",".join(reason.value for reason in decision.reason_codes),
        "request_id": request.request_id,
        "idempotency_key": request.idempotency_key,
    }


def _earlier_result(rows: Rows) -> EarlierResult | None:
    if not rows:
        return None
    customer_id, loan_amount, asked_rate, tenure, score, rate, installment, reasons, loan_id, request_id = rows[0]
    return EarlierResult(
        LoanApplication(customer_id, loan_amount, asked_rate, tenure),
        Decision(score, rate, installment, tuple(ReasonCode(reason) for reason in reasons.split(",") if reason)),
        loan_id,
        request_id,
    )


def _from_demoted(rows: Rows) -> bool:
    return any(demoted(row[:CUSTOMER_ID]) for row in rows)


def _require(rows: Rows, customer_id: int) -> None:
    """Refuse rows of nobody and, since money rides on it, rows of anybody else."""
    ((*_, found),) = [row[: CUSTOMER_ID + 1] for row in rows]
    if found is None:
        raise CustomerNotFoundError(customer_id)
    if found != customer_id:
        raise RuntimeError(f"The loan store answered for customer {found}, asked for {customer_id}.")


def _credit_record(rows: Rows, customer_id: int) -> CreditRecord:
    _require(rows, customer_id)
    return _record(rows[0])


def _record(row: tuple[Any, ...]) -> CreditRecord:
    customer, salary, limit, on_hold, loans, paid, tenure, this_year, *amounts = row[CUSTOMER_ID:]
    # SUM over integers is DECIMAL in MySQL.
    return CreditRecord(customer, salary, limit, bool(on_hold), loans, int(paid), int(tenure), int(this_year), *amounts)
