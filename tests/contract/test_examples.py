"""The service really gives the responses that openapi.yaml shows."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lending import wiring
from lending.errors import OutcomeUnknownError, RequestInProgressError, StoreUnavailableError
from lending.responses import Response, render_error
from local.front.lambda_context import LambdaContext
from local.sample_data.characters import characters
from testkit.events import post_event
from testkit.fakes import Customer, FakeLoanStore, FakeScoreCache, Loan
from testkit.service import HANDLERS
from tests.contract.contract import contract, exact_json

CHECK, CREATE = "/check-eligibility", "/create-loan"
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


def ask(path: str, body: str, header: tuple[str, str] = ("", ""), claims: dict[str, str] | None = None) -> Response:
    """Return the handler's response to a body, from the holder of a token."""
    event = post_event(path, body, **dict([header]))
    if claims is not None:
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims}}
    return HANDLERS[path](event, LambdaContext(path))


def ask_without_the_scope(monkeypatch: pytest.MonkeyPatch) -> Response:
    monkeypatch.setattr(wiring, "required_scope", lambda: "loans.write")
    return ask(CHECK, REQUEST % 1001, claims={"sub": "clerk-7"})


def ask_while(monkeypatch: pytest.MonkeyPatch, failure: Callable[[], object]) -> Response:
    monkeypatch.setattr(wiring, "loan_store", failure)
    return ask(CHECK, REQUEST % 1001)


def send_a_key_again(_: pytest.MonkeyPatch) -> Response:
    ask(CREATE, REQUEST % 1001, ("idempotency-key", "k"))
    return ask(CREATE, REQUEST % 1002, ("idempotency-key", "k"))


PROBLEMS: dict[str, Callable[[pytest.MonkeyPatch], Response]] = {
    "malformed": lambda _: ask(CHECK, "{"),
    "caller": lambda _: ask(CHECK, REQUEST % 1001, claims={"iss": "https://login.example"}),
    "scope": ask_without_the_scope,
    "customer": lambda _: ask(CHECK, REQUEST % 42),
    "busy": lambda _: render_error(RequestInProgressError()),
    "large": lambda _: ask(CHECK, " " * 8193),
    "gzip": lambda _: ask(CHECK, REQUEST % 1001, ("content-encoding", "gzip")),
    "fields": lambda _: ask(CHECK, '{"customer_id": 1001, "loan_amount": 0, "interest_rate": 8, "tenure": 0}'),
    "mismatch": send_a_key_again,
    "internal": lambda monkeypatch: ask_while(monkeypatch, lambda: 1 // 0),
    "unknown": lambda _: render_error(OutcomeUnknownError(keyed=True)),
    "unknown-keyless": lambda _: render_error(OutcomeUnknownError(keyed=False)),
    "away": lambda _: render_error(StoreUnavailableError()),
}


def _problems() -> Iterator[Any]:
    for response in contract()["components"]["responses"].values():
        for name, example in response["content"].get("application/problem+json", {}).get("examples", {}).items():
            yield pytest.param(name, example["value"], id=name)


@pytest.mark.parametrize(("name", "example"), list(_problems()))
def test_example_problem_is_true(name: str, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    response = PROBLEMS[name](monkeypatch)

    assert (response["statusCode"], exact_json(response["body"])) == (example["status"], example)
