"""The sample portfolio really gets the responses that openapi.yaml shows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lending import wiring
from local.front.lambda_context import LambdaContext
from local.sample_data.characters import characters
from testkit.events import post_event
from testkit.fakes import Customer, FakeLoanStore, FakeScoreCache, Loan
from testkit.service import HANDLERS
from tests.contract.contract import contract, exact_json

REQUEST = '{"customer_id": %d, "loan_amount": 100000.00, "interest_rate": 8.00, "tenure": 12}'


def _examples() -> Iterator[Any]:
    for path, operations in contract()["paths"].items():
        for status, response in operations["post"]["responses"].items():
            for name, example in response.get("content", {}).get("application/json", {}).get("examples", {}).items():
                yield pytest.param(path, int(status), example["value"], id=f"{path} {status} {name}")


@pytest.fixture(autouse=True)
def _sample_portfolio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wire the handlers to the sample portfolio's first customers, on today's date."""
    today = datetime.now(UTC).date()
    store = FakeLoanStore()
    for customer, loans in characters(today):
        store.customers[customer.customer_id] = Customer(customer.monthly_salary, customer.approved_limit)
        store.loans[customer.customer_id] = [
            Loan(**{field: getattr(loan, field) for field in Loan._fields}) for loan in loans
        ]
    scores = FakeScoreCache()
    monkeypatch.setattr(wiring, "loan_store", lambda: store)
    monkeypatch.setattr(wiring, "score_cache", lambda: scores)
    monkeypatch.setattr(wiring, "today", lambda: today)
    monkeypatch.setattr(wiring, "required_scope", lambda: None)


def test_the_request_is_the_one_in_the_contract() -> None:
    for operation in contract()["paths"].values():
        examples = operation["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert examples["application"]["value"] == exact_json(REQUEST % 1001)


@pytest.mark.parametrize(("path", "status", "example"), list(_examples()))
def test_example_answer_is_true(path: str, status: int, example: dict[str, Any]) -> None:
    response = HANDLERS[path](post_event(path, REQUEST % example["customer_id"]), LambdaContext(path))

    body = exact_json(response["body"])
    assert isinstance(body, dict)
    if body.get("loan_id") is not None:
        # The database's own count and the day of the test; exact_json reads dates as they are.
        body |= {name: example[name] for name in ("loan_id", "start_date", "end_date")}
    assert (response["statusCode"], body) == (status, example)
