"""The timed requests: events, handlers and the right answers."""

from collections.abc import Callable
from itertools import count
from json import dumps
from typing import Any

from benchmarks.interleaved import Subject
from functions.check_eligibility import app as check_eligibility
from functions.create_loan import app as create_loan
from lending.responses import Response
from local.front.lambda_context import LambdaContext
from testkit.events import post_event

TERMS = {"loan_amount": 1000, "interest_rate": 10.5, "tenure": 12}
OK, CREATED = 200, 201

_keys = count(1)


def check_event(customer_id: int) -> dict[str, Any]:
    """Return the event of a check."""
    return post_event("/check-eligibility", dumps({"customer_id": customer_id} | TERMS))


def create_event(customer_id: int, key: str | None = None) -> dict[str, Any]:
    """Return the event of a request to lend."""
    headers = {} if key is None else {"idempotency-key": key}
    return post_event("/create-loan", dumps({"customer_id": customer_id} | TERMS), **headers)


def new_key() -> str:
    """Return an Idempotency-Key that no request had before."""
    return f"benchmark-{next(_keys)}"


def check(customer_id: int) -> Response:
    """Check a customer once, as a request does."""
    return check_eligibility.lambda_handler(check_event(customer_id), LambdaContext("benchmark"))


def calling(
    handler: Callable[[Any, Any], Any], prepare: Callable[[], dict[str, Any]], expected: Callable[[Any], bool]
) -> Subject:
    """Return calls of a handler with the events that `prepare` makes, each with its own context."""
    return Subject(
        call=lambda given: handler(*given),
        prepare=lambda: (prepare(), LambdaContext("benchmark")),
        expected=expected,
    )


def checking(prepare: Callable[[], dict[str, Any]], cache_status: str) -> Subject:
    """Return checks that must use the cache in this way."""
    return calling(
        check_eligibility.lambda_handler,
        prepare,
        lambda answer: answer["statusCode"] == OK and used_cache(answer) == cache_status,
    )


def creating(prepare: Callable[[], dict[str, Any]], status: int, cache_status: str | None = None) -> Subject:
    """Return requests to lend that must get this status and use the cache in this way."""
    return calling(
        create_loan.lambda_handler,
        prepare,
        lambda answer: answer["statusCode"] == status and used_cache(answer) == cache_status,
    )


def used_cache(answer: Response) -> str | None:
    """Return the response's Cache-Status without the cache's name, or None."""
    status: str | None = answer["headers"].get("cache-status")
    return None if status is None else status.removeprefix("credit-score; ")
