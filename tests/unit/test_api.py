"""What every handler does around its operation: errors as answers, one line of metrics, a quiet log."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from functions.check_eligibility import app as check_eligibility
from functions.create_loan import app as create_loan
from lending import wiring
from lending.api import Call, api_operation
from lending.errors import CustomerNotFoundError, StoreUnavailableError
from lending.observability import logger
from lending.ports import BypassReason
from lending.responses import Response
from lending.use_cases.cache_use import CacheOutcome, CacheUse
from local.front.lambda_context import LambdaContext
from testkit.events import post_event
from testkit.fakes import Customer, FakeLoanStore, FakeScoreCache, a_loan

EVENT = post_event("/check-eligibility", "{}")


@pytest.fixture(autouse=True)
def _no_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no scope of the callers."""
    monkeypatch.setattr(wiring, "required_scope", lambda: None)


def a_context() -> LambdaContext:
    """Return the context of an invocation that begins now."""
    return LambdaContext("check-eligibility", aws_request_id="request-1")


def fine(_: Call) -> Response:
    """An operation that answers, and that is all."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Return the log's lines so far, as the log's own formatter writes them."""
    stream = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def emf(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """Return the lines of metrics since the last look."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def handle(operation: Callable[[Call], Response]) -> Response:
    return api_operation(operation)(EVENT, a_context())


def fail_with(error: Exception) -> Response:
    def operation(_: Call) -> Response:
        raise error

    return handle(operation)


def metrics_of(line: dict[str, Any]) -> set[str]:
    """Return the names of the metrics in a line, all of which have their value there."""
    directive, of_version = line["_aws"]["CloudWatchMetrics"]
    names = {metric["Name"] for metric in directive["Metrics"]}
    assert directive["Namespace"] == of_version["Namespace"] == "Lending"
    assert of_version["Dimensions"] == [["service"], ["service", "version"]]
    assert [metric["Name"] for metric in of_version["Metrics"]] == ["ServerErrors"]
    assert line["ServerErrors"] == [int(line["status"] >= 500)]
    assert names | {"ServerErrors", "version"} <= set(line)
    return names


def test_what_an_operation_answers_is_the_answer(log: Callable[[], list[Any]]) -> None:
    response = handle(fine)

    assert response == {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}
    assert log() == [], "the line of metrics says it all"


def test_an_unforeseen_error_is_answered_without_its_details_and_logged_with_them(
    log: Callable[[], list[Any]],
) -> None:
    response = fail_with(RuntimeError("SELECT secret"))

    assert response["statusCode"] == 500
    assert json.loads(response["body"])["type"] == "/problems/internal-error"
    assert "secret" not in str(response)
    (line,) = log()
    assert line["level"] == "ERROR"
    assert line["request_id"] == "request-1"
    assert line["message"] == "SELECT secret"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: SELECT secret")


def test_an_unavailable_store_is_logged_with_its_cause(log: Callable[[], list[Any]]) -> None:
    error = StoreUnavailableError()
    error.__cause__ = OSError("the cable is cut")

    response = fail_with(error)

    assert response["statusCode"] == 503
    assert "cable" not in str(response)
    (line,) = log()
    assert (line["level"], line["request_id"]) == ("ERROR", "request-1")
    assert "OSError: the cable is cut" in line["exception"]


def test_a_callers_mistake_is_a_line_without_a_traceback(log: Callable[[], list[Any]]) -> None:
    response = fail_with(CustomerNotFoundError(42))

    assert response["statusCode"] == 404
    (line,) = log()
    assert line["level"] == "INFO"
    assert {name: line[name] for name in ("request_id", "status", "error")} == {
        "request_id": "request-1",
        "status": 404,
        "error": "CustomerNotFoundError",
    }
    assert "exception" not in line


@pytest.mark.parametrize(
    ("cache_use", "counted"),
    [
        (CacheUse(), []),
        (CacheUse(CacheOutcome.HIT), ["CacheHit"]),
        (CacheUse(CacheOutcome.MISS, stored=True), ["CacheMiss"]),
        (CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.UNAVAILABLE), ["CacheBypass", "CacheUnavailable"]),
        (CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.MISCONFIGURED), ["CacheBypass", "CacheUnavailable"]),
        (CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.BREAKER_OPEN), ["CacheBypass"]),
        (CacheUse(CacheOutcome.PASSED_ON), []),
    ],
    ids=str,
)
def test_every_request_writes_one_line_of_metrics(
    cache_use: CacheUse, counted: list[str], emf: Callable[[], list[dict[str, Any]]]
) -> None:
    def operation(call: Call) -> Response:
        call.cache_use = cache_use
        return fine(call)

    handle(operation)

    (line,) = emf()
    assert metrics_of(line) == {"Latency", *counted}
    assert [line[name] for name in counted] == [[1.0] for _ in counted]
    assert 0 <= line["Latency"][0] < 1000
    assert (line["request_id"], line["status"]) == ("request-1", 200)


def test_the_decision_is_logged_beside_the_metrics(emf: Callable[[], list[dict[str, Any]]]) -> None:
    def operation(call: Call) -> Response:
        call.note('"customer_id":1001,"credit_score":8,"reason_codes":["CREDIT_SCORE_TOO_LOW"]')
        call.count("LoanDeclined")
        return fine(call)

    handle(operation)

    (line,) = emf()
    assert metrics_of(line) == {"LoanDeclined", "Latency"}
    assert (line["customer_id"], line["credit_score"]) == (1001, 8)
    assert line["reason_codes"] == ["CREDIT_SCORE_TOO_LOW"]


def test_nothing_of_one_request_is_logged_for_the_next(emf: Callable[[], list[dict[str, Any]]]) -> None:
    def operation(call: Call) -> Response:
        call.cache_use.outcome = CacheOutcome.HIT
        call.note('"customer_id":1001')
        call.count("LoanApproved")
        return fine(call)

    handle(operation)
    handle(fine)

    first, second = emf()
    assert metrics_of(first) == {"CacheHit", "LoanApproved", "Latency"}
    assert metrics_of(second) == {"Latency"}
    assert not {"CacheHit", "LoanApproved", "customer_id"} & set(second)


def test_an_error_is_counted_too(emf: Callable[[], list[dict[str, Any]]]) -> None:
    fail_with(RuntimeError("SELECT secret"))

    (line,) = emf()
    assert metrics_of(line) == {"Latency"}
    assert line["status"] == 500
    assert "secret" not in str(line)


def test_an_error_after_the_cache_was_asked_says_how_it_was_used() -> None:
    def operation(call: Call) -> Response:
        call.cache_use.outcome = CacheOutcome.MISS
        raise StoreUnavailableError

    assert handle(operation)["headers"]["cache-status"] == "credit-score; fwd=miss"


def test_an_answer_that_asked_no_cache_does_not_speak_of_it() -> None:
    assert "cache-status" not in handle(fine)["headers"]
    assert "cache-status" not in fail_with(CustomerNotFoundError(42))["headers"]


def test_an_operation_can_tell_how_long_it_may_still_run() -> None:
    left: list[int] = []

    def operation(call: Call) -> Response:
        left.append(call.milliseconds_left())
        return fine(call)

    handle(operation)

    assert 9_000 < left[0] <= 10_000


def test_what_no_route_takes_is_not_found() -> None:
    event = post_event("/check-eligibility", "{}")
    event["routeKey"] = "$default"
    event["requestContext"]["http"] |= {"method": "DELETE", "path": "/loans/7"}

    response = check_eligibility.lambda_handler(event, a_context())

    assert response["statusCode"] == 404
    assert json.loads(response["body"]) == {
        "type": "/problems/route-not-found",
        "title": "Route not found",
        "status": 404,
        "detail": "There is no DELETE /loans/7.",
    }


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeLoanStore:
    """The store in memory that the handlers are wired to, with a customer who may borrow and one who may not."""
    rich = Customer(monthly_salary=Decimal("73219.41"), approved_limit=Decimal("61847053.27"))
    store, scores = FakeLoanStore({1001: rich, 1002: rich}, {1001: [a_loan()] * 3}), FakeScoreCache()
    monkeypatch.setattr(wiring, "loan_store", lambda: store)
    monkeypatch.setattr(wiring, "score_cache", lambda: scores)
    monkeypatch.setattr(wiring, "today", lambda: date(2024, 6, 15))
    return store


def check(customer_id: int, tenure: int = 12) -> Response:
    fields = {"customer_id": customer_id, "loan_amount": 100000, "interest_rate": 8, "tenure": tenure}
    return check_eligibility.lambda_handler(post_event("/check-eligibility", json.dumps(fields)), a_context())


def create(customer_id: int, tenure: int = 12, key: str | None = None) -> Response:
    headers = {} if key is None else {"idempotency-key": key}
    fields = {"customer_id": customer_id, "loan_amount": 100000, "interest_rate": 8, "tenure": tenure}
    return create_loan.lambda_handler(
        post_event("/create-loan", json.dumps(fields), **headers), LambdaContext("create-loan")
    )


@pytest.mark.usefixtures("store")
def test_each_answer_to_a_loan_is_counted_once(emf: Callable[[], list[dict[str, Any]]]) -> None:
    """A replay is the same answer again."""
    statuses = [create(1001)["statusCode"], create(1002)["statusCode"]]
    statuses += [create(1001, key="k")["statusCode"], create(1001, key="k")["statusCode"]]

    counted = [sorted(metrics_of(line) - {"Latency"}) for line in emf()]
    assert statuses == [201, 200, 201, 201]
    assert counted == [["CacheMiss", "LoanApproved"], ["CacheMiss", "LoanDeclined"], ["LoanApproved"], []]


def test_a_check_is_counted_by_what_the_cache_said(
    store: FakeLoanStore, emf: Callable[[], list[dict[str, Any]]]
) -> None:
    check(1001)
    check(1001)
    store.away = True
    check(1002)

    assert [sorted(metrics_of(line)) for line in emf()] == [
        ["CacheMiss", "Latency"],
        ["CacheHit", "Latency"],
        ["CacheMiss", "Latency"],
    ]


def test_no_salary_or_limit_is_logged(
    store: FakeLoanStore, log: Callable[[], list[Any]], emf: Callable[[], list[dict[str, Any]]]
) -> None:
    """Whatever way a request goes: miss, hit, lent, declined, refused, or into an error."""
    for post in (check, create):
        for customer_id in (1001, 1001, 1002, 4242):
            post(customer_id)
        post(1001, tenure=0)
    store.away = True
    for post in (check, create):
        post(1001)
        post(1002)

    told = json.dumps([log(), emf()])
    assert len(told) > 1000
    assert not [number for number in ("73219", "61847053") if number in told]
