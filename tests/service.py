"""Handles for tests: a real database to arrange, and the real handlers to call."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pymysql
import pytest
from pymysql.cursors import Cursor

from functions.check_eligibility import app as check_eligibility
from functions.create_loan import app as create_loan
from lending import wiring
from local.lambda_context import LambdaContext
from tests.contract.events import post_event
from tests.fakes import Customer, Loan

HANDLERS = {"/check-eligibility": check_eligibility.lambda_handler, "/create-loan": create_loan.lambda_handler}

APPLICATION = {"loan_amount": 100000, "interest_rate": 10, "tenure": 12}


def connect(environment: Mapping[str, str]) -> "pymysql.Connection[Cursor]":
    """Connect to the server that DB_* variables name; in autocommit."""
    return pymysql.connect(
        host=environment["DB_HOST"],
        port=int(environment["DB_PORT"]),
        user=environment["DB_USER"],
        password=environment["DB_PASSWORD"],
        database=environment["DB_NAME"],
        autocommit=True,
    )


@dataclass(frozen=True)
class Database:
    """A migrated database and a connection of the test's own to it."""

    environment: dict[str, str]
    connection: "pymysql.Connection[Cursor]"

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of one statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def clear(self) -> None:
        """Empty the tables."""
        self.execute("DELETE FROM cache_invalidations")
        self.execute("DELETE FROM declined_requests")
        self.execute("DELETE FROM loans")
        self.execute("DELETE FROM customers")

    def add_customer(self, customer_id: int, customer: Customer, loans: Sequence[Loan] = ()) -> None:
        """Add a customer with their loans."""
        self.execute(
            "INSERT INTO customers VALUES (%s, 'Asha', 'Test', 40, %s, %s, %s, 0)",
            (customer_id, customer_id, *customer),
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment,"
                " emis_paid_on_time, start_date, end_date, status) VALUES (%s, %s, %s, 10, %s, %s, %s, %s, %s)",
                [(customer_id, *loan) for loan in loans],
            )


@dataclass(frozen=True)
class Answer:
    """What a handler answered."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def cache_status(self) -> str | None:
        """How the cache was used, without the cache's name."""
        status = self.headers.get("cache-status")
        return None if status is None else status.removeprefix("credit-score; ")


class Service:
    """The handlers, called as Lambda calls them."""

    def check(self, customer_id: int, **fields: object) -> Answer:
        """POST /check-eligibility."""
        return self.post("/check-eligibility", {"customer_id": customer_id} | APPLICATION | fields)

    def create(
        self, customer_id: int, *, key: str | None = None, caller: dict[str, Any] | None = None, **fields: object
    ) -> Answer:
        """POST /create-loan, with an Idempotency-Key and as the caller that the gateway has made out, if any."""
        headers = {} if key is None else {"idempotency-key": key}
        return self.post("/create-loan", {"customer_id": customer_id} | APPLICATION | fields, headers, caller)

    def post(
        self, path: str, body: object, headers: Mapping[str, str] | None = None, caller: dict[str, Any] | None = None
    ) -> Answer:
        """Post a body, as JSON unless it is text already."""
        text = body if isinstance(body, str) else json.dumps(body, default=_number)
        event = post_event(path, text, **(headers or {}))
        if caller is not None:
            event["requestContext"]["authorizer"] = caller
        response = HANDLERS[path](event, LambdaContext(path))
        return Answer(response["statusCode"], response["headers"], json.loads(response["body"], parse_float=Decimal))


@contextmanager
def wired(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wire the handlers anew by these variables, as a fresh execution environment would be."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    wiring.close()
    try:
        yield
    finally:
        wiring.close()


def a_loan(**fields: Any) -> Loan:
    """Return a loan that was repaid long ago, but for what `fields` say."""
    repaid = Loan(
        loan_amount=Decimal(100000),
        tenure=12,
        monthly_repayment=Decimal("8884.88"),
        emis_paid_on_time=12,
        start_date=date(2020, 1, 15),
        end_date=date(2021, 1, 15),
        status="PAID",
    )
    return repaid._replace(**fields)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(value)
