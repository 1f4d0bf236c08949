"""What `sam local start-api` makes of requests: header names as the client wrote them, a repeated one joined."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lending import wiring
from local.front.lambda_context import LambdaContext
from testkit.fakes import Customer, FakeLoanStore, FakeScoreCache, a_loan
from testkit.service import HANDLERS
from tests.contract.bodies import VALID_BODY
from tests.contract.conformance import assert_conforms
from tests.template.conftest import Tool

PATH = "/create-loan"
KEYS = ONE, TWICE, QUOTED, TOO_LONG, TWO = (
    *(("key-1",), ("key-1", "key-1"), ('"key-1"',)),
    *(("k" * 300,), ("key-1", "key-2")),
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeLoanStore:
    """The store in memory that the handlers are wired to, with a customer who may borrow."""
    rich = Customer(monthly_salary=Decimal(10**7), approved_limit=Decimal(10**9))
    store, scores = FakeLoanStore({1001: rich}, {1001: [a_loan()] * 3}), FakeScoreCache()
    monkeypatch.setattr(wiring, "loan_store", lambda: store)
    monkeypatch.setattr(wiring, "score_cache", lambda: scores)
    monkeypatch.setattr(wiring, "today", lambda: date(2024, 6, 15))
    monkeypatch.setattr(wiring, "required_scope", lambda: None)
    return store


@pytest.fixture(scope="module")
def events(sam_tool: Tool) -> dict[tuple[str, ...], dict[str, Any]]:
    """The event of a create-loan with each of these Idempotency-Key headers."""
    requests = [
        {"path": PATH, "headers": [["Idempotency-Key", value] for value in values], "body": VALID_BODY}
        for values in KEYS
    ]
    events = dict(zip(KEYS, sam_tool("events", requests), strict=True))
    assert "Idempotency-Key" in events[ONE]["headers"], "not as API Gateway writes it: that is why this is a test"
    return events


def response_to(event: dict[str, Any]) -> dict[str, Any]:
    response = HANDLERS[PATH](event, LambdaContext("create_loan"))
    assert_conforms("POST", PATH, response)
    return response


def test_the_same_request_twice_is_one_loan(
    events: dict[tuple[str, ...], dict[str, Any]], store: FakeLoanStore
) -> None:
    first, second = response_to(events[ONE]), response_to(events[ONE])

    assert (first["statusCode"], second["statusCode"]) == (201, 201)
    assert second["headers"]["idempotency-replayed"] == "true"
    assert len(store.loans[1001]) == 4


def test_a_retry_that_says_its_key_twice_or_in_quotes_is_the_same_request(
    events: dict[tuple[str, ...], dict[str, Any]], store: FakeLoanStore
) -> None:
    responses = [response_to(events[keys]) for keys in (TWICE, ONE, QUOTED)]

    assert [response["headers"].get("idempotency-replayed") for response in responses] == [None, "true", "true"]
    assert len(store.loans[1001]) == 4


def test_a_wrong_key_is_refused(events: dict[tuple[str, ...], dict[str, Any]], store: FakeLoanStore) -> None:
    assert [response_to(events[keys])["statusCode"] for keys in (TOO_LONG, TWO)] == [422, 422]
    assert len(store.loans[1001]) == 3
