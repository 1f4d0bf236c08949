"""The loan store in MySQL or MariaDB: all SQL of the service."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.cursors import Cursor
from typing_extensions import override

from lending.adapters import mysql_errors
from lending.adapters.mysql_connection import READ_ONLY, SERVER, WRITABLE, MySQLConnection, Transaction
from lending.domain.eligibility import Decision, ReasonCode
from lending.domain.loans import CreditRecord, LoanApplication, LoanMade, LoanRequest
from lending.domain.policy import Weights
from lending.domain.scoring import ScoreComponents
from lending.errors import (
    ConnectionLostError,
    CustomerNotFoundError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.ports import EarlierResult, LoanStore, LoanTransaction, Reading

# One statement for the customers and all sums over their loans: one round trip, one snapshot. It says in every row
# whether the server takes writes, and has a row where there is no customer: a demoted one may not know them yet.
# All in one column, since the driver takes longer for each column than for what is in it.
CREDIT_RECORDS = f"""
SELECT CONCAT_WS('|', {READ_ONLY},
         IFNULL(c.customer_id, ''), IFNULL(c.monthly_salary, ''), IFNULL(c.approved_limit, ''), IFNULL(c.on_hold, ''),
         COUNT(l.loan_id),
         COALESCE(SUM(l.emis_paid_on_time), 0),
         COALESCE(SUM(l.tenure), 0),
         COALESCE(SUM(YEAR(l.start_date) = %(year)s), 0),
         COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PAID') THEN l.loan_amount END), 0),
         COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                           THEN l.loan_amount END), 0),
         COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                           THEN l.monthly_repayment END), 0),
         IFNULL(MIN(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                         THEN l.end_date END), '')) AS record
  FROM {SERVER}
       LEFT JOIN customers c ON c.customer_id IN %(customer_ids)s
       LEFT JOIN loans l ON l.customer_id = c.customer_id
 GROUP BY {READ_ONLY}, c.customer_id, c.monthly_salary, c.approved_limit, c.on_hold
"""

LOCK_CUSTOMER = f"""
SELECT CONCAT_WS('|', {READ_ONLY}, IFNULL(c.customer_id, ''), @@autocommit + 0)
  FROM {SERVER} LEFT JOIN customers c ON c.customer_id = %(customer_id)s
   FOR UPDATE
"""

RESULT_OF_LOAN = """
CONCAT_WS('|', customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate, monthly_repayment,
          '', request_id, loan_id, start_date, end_date, IFNULL(answer, ''))"""
RESULT_OF_DECLINE = """
CONCAT_WS('|', customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate, monthly_installment,
          reason_codes, request_id, '', '', '', IFNULL(answer, ''))"""

# An earlier form of one caller's key may be today's form of another's: it counts only for what an earlier release has
# stored, which kept no answers.
OF_KEY = "idempotency_key IN %(keys)s AND (idempotency_key = %(key)s OR answer IS NULL)"

RESULT_OF_REQUEST = f"""
SELECT {RESULT_OF_LOAN}
  FROM loans WHERE customer_id = %(customer_id)s AND request_id = %(request_id)s
"""

# The key's result and the record in one round trip, at one moment.
RECORD_AND_RESULT = f"""
SELECT record, COALESCE(
         (SELECT {RESULT_OF_LOAN} FROM loans WHERE {OF_KEY} LIMIT 1),
         (SELECT {RESULT_OF_DECLINE} FROM declined_requests WHERE {OF_KEY} LIMIT 1))
  FROM ({CREDIT_RECORDS}) AS records
"""

ADD_LOAN = """
INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date, end_date, status,
                   request_id, idempotency_key, asked_interest_rate, credit_score, answer)
VALUES (%(customer_id)s, %(loan_amount)s, %(tenure)s, %(interest_rate)s, %(monthly_installment)s,
        %(start_date)s, %(end_date)s, 'APPROVED',
        %(request_id)s, %(idempotency_key)s, %(asked_interest_rate)s, %(credit_score)s, %(answer)s)
"""

ADD_DECLINE = """
INSERT INTO declined_requests (idempotency_key, customer_id, loan_amount, tenure, asked_interest_rate, credit_score,
                               interest_rate, monthly_installment, reason_codes, request_id, answer)
VALUES (%(idempotency_key)s, %(customer_id)s, %(loan_amount)s, %(tenure)s, %(asked_interest_rate)s, %(credit_score)s,
        %(interest_rate)s, %(monthly_installment)s, %(reason_codes)s, %(request_id)s, %(answer)s)
"""


Row = tuple[Any, ...]
CUSTOMER_ID = 2
"""Where the customer stands among the texts of a row, behind READ_ONLY."""

POINTS_POSSIBLE_AT_FIRST = {"punctuality": 35, "experience": 20, "activity": 20, "volume": 25}
"""Of answers that were stored before the rules were policies."""


class MySQLLoanStore(LoanStore):
    """LoanStore on a connection that reads and one that lends; behind a proxy, one is both."""

    def __init__(self, connection: MySQLConnection, lending: MySQLConnection) -> None:
        self._connection = connection
        self._lending = lending

    @override
    def credit_record(self, customer_id: int, today: date) -> Reading:
        (row,) = self._read([customer_id], today)
        return Reading(_credit_record(row, customer_id), from_writer=not _from_demoted(row))

    @override
    def credit_records(self, customer_ids: Sequence[int], today: date) -> list[CreditRecord]:
        rows = self._read(customer_ids, today)
        if _from_demoted(rows[0]):
            raise StoreUnavailableError("The loan store takes no writes: its records may be old.")
        return [record for row in rows if (record := record_of(row)) is not None]

    def _read(self, customer_ids: Sequence[int], today: date) -> Sequence[Row]:
        rows = self._connection.query(CREDIT_RECORDS, _on(customer_ids, today))
        if _from_demoted(rows[0]):
            # The connection has outlived a failover: a new one leads to the writer.
            self._connection.forget()
            rows = self._connection.query(CREDIT_RECORDS, _on(customer_ids, today))
        return rows

    @override
    @contextmanager
    def transaction(self, customer_id: int) -> Iterator["MySQLLoanTransaction"]:
        with self._lending.transaction() as transaction:
            _lock(transaction, customer_id, autocommit=self._lending.autocommit)
            yield MySQLLoanTransaction(transaction)


class MySQLLoanTransaction(LoanTransaction):
    """LoanTransaction on a transaction of the connection."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @override
    def read(self, request: LoanRequest, today: date) -> tuple[EarlierResult | None, CreditRecord]:
        customer_id = request.application.customer_id
        parameters = _on([customer_id], today)
        if request.idempotency_key is None:
            (row,) = self._transaction.execute(CREDIT_RECORDS, parameters).fetchall()
            return None, _credit_record(row, customer_id)
        keys = [request.idempotency_key, request.earlier_idempotency_key or request.idempotency_key]
        parameters |= {"key": request.idempotency_key, "keys": keys}
        ((record, result),) = self._transaction.execute(RECORD_AND_RESULT, parameters).fetchall()
        return None if result is None else _earlier_result(result), _credit_record((record,), customer_id)

    @override
    def result_of_request(self, customer_id: int, request_id: str) -> EarlierResult | None:
        parameters = {"customer_id": customer_id, "request_id": request_id}
        row = self._transaction.execute(RESULT_OF_REQUEST, parameters).fetchone()
        return None if row is None else _earlier_result(row[0])

    @override
    def add_loan(self, request: LoanRequest, decision: Decision, start: date, end: date) -> LoanMade:
        columns = _columns(request, decision) | {"start_date": start, "end_date": end}
        return LoanMade(int(self._add(ADD_LOAN, columns).lastrowid), start, end)

    @override
    def add_decline(self, request: LoanRequest, decision: Decision) -> None:
        self._add(ADD_DECLINE, _columns(request, decision))

    def _add(self, sql: str, columns: dict[str, object]) -> Cursor:
        try:
            return self._transaction.execute(sql, columns)
        except pymysql.IntegrityError as exc:
            if exc.args[0] != mysql_errors.DUPLICATE:
                raise
            # A request for another customer has taken the idempotency key since it was looked up.
            raise TransactionConflictError from exc

    @override
    def commit(self) -> None:
        self._transaction.commit()


def _lock(transaction: Transaction, customer_id: int, *, autocommit: bool) -> None:
    """Wait for, then hold the customer until the transaction ends.

    First of all: it waits for whatever a lost connection has left behind, and looking an idempotency key up before it
    would let two twins both find nothing, or deadlock.
    """
    (row,) = transaction.execute(LOCK_CUSTOMER, {"customer_id": customer_id}).fetchall()
    if _from_demoted(row):
        # Before anything is believed of it: it may lack the loan that somebody looks for.
        transaction.abandon()
        raise ConnectionLostError
    if _texts(row)[-1] != str(int(autocommit)):
        # The lock would be gone already, or the transaction without an end.
        transaction.abandon()
        raise StoreUnavailableError("The connection to the loan store is not in the mode that it was put in.")
    if _texts(row)[CUSTOMER_ID] != str(customer_id):
        raise _refusal(row, customer_id)


def record_query(customer_ids: Sequence[int], today: date) -> tuple[str, dict[str, object]]:
    """Return statement and parameters that read the records of customers, for a connection of one's own."""
    return CREDIT_RECORDS, _on(customer_ids, today)


def record_of(row: Row) -> CreditRecord | None:
    """Return the record in a row; None in the one of no customer."""
    customer, salary, limit, on_hold, *counts, lent, current, installments, end = _texts(row)[CUSTOMER_ID:]
    if not customer:
        return None
    loans, paid, tenure, this_year = map(int, counts)
    return CreditRecord(
        *(int(customer), Decimal(salary), Decimal(limit), on_hold != "0"),
        *(loans, paid, tenure, this_year),
        *(Decimal(lent), Decimal(current), Decimal(installments)),
        date.fromisoformat(end) if end else None,
    )


def _on(customer_ids: Sequence[int], today: date) -> dict[str, object]:
    return {"customer_ids": customer_ids, "today": today, "year": today.year}


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
        "answer": _answer(application, decision),
    }


def _earlier_result(text: str) -> EarlierResult:
    customer, amount, asked_rate, tenure, score, rate, installment, reasons, request_id, loan_id, start, end, answer = (
        text.split("|", 12)
    )
    kept = json.loads(answer) if answer else {}
    components = kept.get("score_components")
    return EarlierResult(
        LoanApplication(
            *(int(customer), Decimal(amount), Decimal(asked_rate), int(tenure)),
            _decimal(kept.get("highest_interest_rate")),
        ),
        Decision(
            int(score),
            Decimal(rate),
            Decimal(installment),
            tuple(ReasonCode(reason) for reason in reasons.split(",") if reason),
            ScoreComponents(**{name: Decimal(points) for name, points in components.items()}) if components else None,
            _decimal(kept.get("highest_loan_amount")),
            kept.get("shortest_tenure"),
            Weights(**kept.get("points_possible", POINTS_POSSIBLE_AT_FIRST)),
        ),
        LoanMade(int(loan_id), date.fromisoformat(start), date.fromisoformat(end)) if loan_id else None,
        request_id,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _answer(application: LoanApplication, decision: Decision) -> str:
    """Return as JSON what the columns do not tell of a decision."""
    components = decision.score_components
    highest_rate = application.highest_interest_rate
    return json.dumps(
        {
            "score_components": None if components is None else {k: str(v) for k, v in components._asdict().items()},
            "highest_loan_amount": str(decision.highest_loan_amount),
            "shortest_tenure": decision.shortest_tenure,
            "points_possible": decision.points_possible._asdict(),
            "highest_interest_rate": None if highest_rate is None else str(highest_rate),
        }
    )


def _texts(row: Row) -> list[str]:
    text: str = row[0]
    return text.split("|")


def _from_demoted(row: Row) -> bool:
    return not WRITABLE.issuperset(_texts(row)[:CUSTOMER_ID])


def _credit_record(row: Row, customer_id: int) -> CreditRecord:
    record = record_of(row)
    if record is None or record.customer_id != customer_id:
        raise _refusal(row, customer_id)
    return record


def _refusal(row: Row, customer_id: int) -> Exception:
    """Return why a row is refused that is nobody's or, since money rides on it, anybody else's."""
    found = _texts(row)[CUSTOMER_ID]
    if not found:
        return CustomerNotFoundError(customer_id)
    return RuntimeError(f"The loan store answered for customer {found}, asked for {customer_id}.")
