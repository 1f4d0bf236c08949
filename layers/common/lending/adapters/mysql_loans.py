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
CREDIT_RECORDS = f"""
SELECT {READ_ONLY}, c.customer_id, c.monthly_salary, c.approved_limit, c.on_hold,
       COUNT(l.loan_id) AS loans,
       COALESCE(SUM(l.emis_paid_on_time), 0) AS emis_paid_on_time,
       COALESCE(SUM(l.tenure), 0) AS tenure_months,
       COALESCE(SUM(l.start_date BETWEEN %(first_of_year)s AND %(last_of_year)s), 0) AS loans_this_year,
       COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PAID') THEN l.loan_amount END), 0)
         AS lent_amount,
       COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                         THEN l.loan_amount END), 0) AS current_amount,
       COALESCE(SUM(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                         THEN l.monthly_repayment END), 0) AS current_installments,
       MIN(CASE WHEN l.status IN ('APPROVED', 'PENDING') AND l.end_date >= %(today)s
                THEN l.end_date END) AS first_current_end
  FROM {SERVER}
       LEFT JOIN customers c ON c.customer_id IN %(customer_ids)s
       LEFT JOIN loans l ON l.customer_id = c.customer_id
 GROUP BY {READ_ONLY}, c.customer_id, c.monthly_salary, c.approved_limit, c.on_hold
"""

LOCK_CUSTOMER = f"""
SELECT {READ_ONLY}, c.customer_id, @@autocommit
  FROM {SERVER} LEFT JOIN customers c ON c.customer_id = %(customer_id)s
   FOR UPDATE
"""

RESULT_COLUMNS = """customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate,
       monthly_repayment, '' AS reason_codes, answer, request_id, loan_id, start_date, end_date"""

# An earlier form of one caller's key may be today's form of another's: it counts only for what an earlier release has
# stored, which kept no answers.
OF_KEY = "(idempotency_key = %(key)s OR (idempotency_key = %(earlier_key)s AND answer IS NULL))"
RESULTS_OF_KEYS = f"""
SELECT {RESULT_COLUMNS}
  FROM loans WHERE {OF_KEY}
 UNION ALL
SELECT customer_id, loan_amount, asked_interest_rate, tenure, credit_score, interest_rate, monthly_installment,
       reason_codes, answer, request_id, NULL, NULL, NULL
  FROM declined_requests WHERE {OF_KEY}
"""

RESULT_OF_REQUEST = f"""
SELECT {RESULT_COLUMNS}
  FROM loans WHERE customer_id = %(customer_id)s AND request_id = %(request_id)s
"""

# The key's result and the record in one round trip, at one moment. A row for each result; the loan's comes first.
RECORD_AND_RESULTS = f"""
SELECT record.*, result.*
  FROM ({CREDIT_RECORDS}) AS record LEFT JOIN ({RESULTS_OF_KEYS}) AS result ON TRUE
 ORDER BY result.loan_id IS NULL
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


Rows = tuple[tuple[Any, ...], ...]
CUSTOMER_ID = 2
"""Where the customer stands in a row, behind READ_ONLY."""
RECORD_COLUMNS = CUSTOMER_ID + 12
"""How many columns a record takes in a row."""

POINTS_POSSIBLE_AT_FIRST = {"punctuality": 35, "experience": 20, "activity": 20, "volume": 25}
"""Of answers that were stored before the rules were policies."""


class MySQLLoanStore(LoanStore):
    """LoanStore on a connection that reads and one that lends; behind a proxy, one is both."""

    def __init__(self, connection: MySQLConnection, lending: MySQLConnection) -> None:
        self._connection = connection
        self._lending = lending

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
            rows = self._transaction.execute(CREDIT_RECORDS, parameters).fetchall()
            return None, _credit_record(rows, customer_id)
        parameters |= {"key": request.idempotency_key, "earlier_key": request.earlier_idempotency_key}
        row = self._transaction.execute(RECORD_AND_RESULTS, parameters).fetchall()[0]
        record, result = row[:RECORD_COLUMNS], row[RECORD_COLUMNS:]
        return _earlier_result((result,) if result[0] is not None else ()), _credit_record((record,), customer_id)

    @override
    def result_of_request(self, customer_id: int, request_id: str) -> EarlierResult | None:
        parameters = {"customer_id": customer_id, "request_id": request_id}
        return _earlier_result(self._transaction.execute(RESULT_OF_REQUEST, parameters).fetchall())

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
    rows = transaction.execute(LOCK_CUSTOMER, {"customer_id": customer_id}).fetchall()
    if _from_demoted(rows):
        # Before anything is believed of it: it may lack the loan that somebody looks for.
        transaction.abandon()
        raise ConnectionLostError
    if rows[0][-1] != int(autocommit):
        # The lock would be gone already, or the transaction without an end.
        transaction.abandon()
        raise StoreUnavailableError("The connection to the loan store is not in the mode that it was put in.")
    _require(rows, customer_id)


def record_query(customer_ids: Sequence[int], today: date) -> tuple[str, dict[str, object]]:
    """Return statement and parameters that read the records of customers, for a connection of one's own."""
    return CREDIT_RECORDS, _on(customer_ids, today)


def record_of_texts(row: tuple[Any, ...]) -> CreditRecord | None:
    """Return the record in a row of texts, as the server sends it; None in the one of no customer."""
    customer, salary, limit, on_hold, *counts, lent, current, installments, end = row[CUSTOMER_ID:RECORD_COLUMNS]
    if customer is None:
        return None
    loans, paid, tenure, this_year = map(int, counts)
    return CreditRecord(
        *(int(customer), Decimal(salary), Decimal(limit), on_hold != "0"),
        *(loans, paid, tenure, this_year),
        *(Decimal(lent), Decimal(current), Decimal(installments)),
        None if end is None else date.fromisoformat(end),
    )


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
        "answer": _answer(application, decision),
    }


def _earlier_result(rows: Rows) -> EarlierResult | None:
    if not rows:
        return None
    customer, amount, asked_rate, tenure, score, rate, installment, reasons, answer, request_id, loan_id, *dates = rows[
        0
    ]
    kept = json.loads(answer) if answer else {}
    components = kept.get("score_components")
    return EarlierResult(
        LoanApplication(customer, amount, asked_rate, tenure, _decimal(kept.get("highest_interest_rate"))),
        Decision(
            score,
            rate,
            installment,
            tuple(ReasonCode(reason) for reason in reasons.split(",") if reason),
            ScoreComponents(**{name: Decimal(points) for name, points in components.items()}) if components else None,
            _decimal(kept.get("highest_loan_amount")),
            kept.get("shortest_tenure"),
            Weights(**kept.get("points_possible", POINTS_POSSIBLE_AT_FIRST)),
        ),
        None if loan_id is None else LoanMade(int(loan_id), *dates),  # DECIMAL, since the UNION has NULLs
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


def _from_demoted(rows: Rows) -> bool:
    return not all(WRITABLE.issuperset(row[:CUSTOMER_ID]) for row in rows)


def _require(rows: Rows, customer_id: int) -> None:
    """Refuse rows of nobody and, since money rides on it, rows of anybody else."""
    ((found,),) = [row[CUSTOMER_ID : CUSTOMER_ID + 1] for row in rows]
    if found is None:
        raise CustomerNotFoundError(customer_id)
    if found != customer_id:
        raise RuntimeError(f"The loan store answered for customer {found}, asked for {customer_id}.")


def _credit_record(rows: Rows, customer_id: int) -> CreditRecord:
    _require(rows, customer_id)
    return _record(rows[0])


def _record(row: tuple[Any, ...]) -> CreditRecord:
    customer, salary, limit, on_hold, loans, paid, tenure, this_year, *amounts = row[CUSTOMER_ID:RECORD_COLUMNS]
    # SUM over integers is DECIMAL in MySQL.
    return CreditRecord(customer, salary, limit, bool(on_hold), loans, int(paid), int(tenure), int(this_year), *amounts)
