"""The real handlers, called as Lambda calls them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from functions.check_eligibility import app as check_eligibility
from functions.create_loan import app as create_loan
from lending import wiring
from lending.patience import Patience
from local.front.lambda_context import LambdaContext
from testkit.events import post_event

TODAY = date(2024, 6, 15)
"""The date where the business is, unless a test says otherwise."""

HANDLERS = {"/check-eligibility": check_eligibility.lambda_handler, "/create-loan": create_loan.lambda_handler}

APPLICATION = {"loan_amount": 100000, "interest_rate": 10, "tenure": 12}


@dataclass(frozen=True)
class Answer:
    """A handler's response."""

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
        """POST /create-loan, optionally with an Idempotency-Key and the caller that the gateway has identified."""
        headers = {} if key is None else {"idempotency-key": key}
        return self.post("/create-loan", {"customer_id": customer_id} | APPLICATION | fields, headers, caller)

    def post(
        self, path: str, body: object, headers: Mapping[str, str] | None = None, caller: dict[str, Any] | None = None
    ) -> Answer:
        """Post a body, as JSON if it is not text already."""
        text = body if isinstance(body, str) else json.dumps(body, default=_number)
        event = post_event(path, text, **(headers or {}))
        if caller is not None:
            event["requestContext"]["authorizer"] = caller
        response = HANDLERS[path](event, LambdaContext(path))
        return Answer(response["statusCode"], response["headers"], json.loads(response["body"], parse_float=Decimal))


def use_patience(monkeypatch: pytest.MonkeyPatch, patience: Patience) -> None:
    """Let the service wait for so long, from now on; adapters that are there keep what else they know."""
    monkeypatch.setattr(wiring, "patience", patience)
    for factory in (wiring.database, wiring.lending_database, wiring.redis_connection, wiring.refresh_connection):
        if factory.cache_info().currsize:
            monkeypatch.setattr(factory(), "_patience", patience)


@contextmanager
def wired(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wire the handlers anew with these variables, as in a fresh execution environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    wiring.close()
    try:
        yield
    finally:
        wiring.close()


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(value)


def statements() -> int:
    """Return how many statements the service's connection has sent, including this one."""
    ((_, count),) = wiring.database().query("SHOW SESSION STATUS LIKE 'Questions'", {})
    return int(count)
