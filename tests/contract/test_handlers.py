"""The handlers answer as the contract says, to any request and in any state of their stores."""

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending import wiring
from lending.errors import (
    IdempotencyMismatchError,
    LendingError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
)
from lending.request_errors import RequestError
from lending.responses import INTERNAL_ERROR, PROBLEMS
from local.front.lambda_context import LambdaContext
from testkit.events import post_event
from testkit.fakes import Customer, FakeLoanStore, FakeScoreCache, Loan
from testkit.service import HANDLERS
from tests.contract.bodies import VALID_BODY, bodies
from tests.contract.conformance import PROBLEM, assert_conforms
from tests.contract.contract import contract
from tests.contract.thoroughly import THOROUGHLY
from tests.contract.verdict import MALFORMED, TOO_LARGE, contract_verdict

TODAY = date(2024, 6, 15)

PROBLEMS_PAGE = Path(__file__).parents[2] / "docs" / "problems.md"

REPAID = Loan(Decimal(900000), 12, Decimal(80000), 12, date(2023, 1, 31), date(2024, 1, 31), "PAID")
RUNNING = Loan(Decimal(300000), 24, Decimal(15000), 5, date(2024, 1, 31), date(2026, 1, 31), "APPROVED")

# Ids that `bodies` often asks for.
CUSTOMERS = {
    1: Customer(monthly_salary=Decimal(100000), approved_limit=Decimal(3600000)),
    1001: Customer(monthly_salary=Decimal(10**9), approved_limit=Decimal(10**10)),
    4294967295: Customer(monthly_salary=Decimal(20000), approved_limit=Decimal(1)),
}
LOANS = {1001: [REPAID, RUNNING], 4294967295: [RUNNING]}


@pytest.fixture(scope="module", autouse=True)
def store() -> Iterator[FakeLoanStore]:
    """Wire the handlers to stores in memory; return the loan store."""
    store, scores = FakeLoanStore(dict(CUSTOMERS), {who: list(loans) for who, loans in LOANS.items()}), FakeScoreCache()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "loan_store", lambda: store)
        patch.setattr(wiring, "score_cache", lambda: scores)
        patch.setattr(wiring, "today", lambda: TODAY)
        patch.setattr(wiring, "required_scope", lambda: None)
        yield store


@THOROUGHLY
@given(
    path=st.sampled_from(sorted(HANDLERS)),
    body=bodies,
    key=st.none() | st.sampled_from(["a-key", "another-key", ""]),
    store_is_away=st.booleans(),
)
def test_every_answer_conforms(
    path: str, body: str, key: str | None, *, store_is_away: bool, store: FakeLoanStore
) -> None:
    store.away = store_is_away
    headers = {} if key is None else {"idempotency-key": key}

    response = HANDLERS[path](post_event(path, body, **headers), LambdaContext(path))

    assert_conforms("POST", path, response)
    wrong = contract_verdict(path, body)
    if wrong in (MALFORMED, TOO_LARGE):
        assert response["statusCode"] == (400 if wrong == MALFORMED else 413)
    elif wrong or (path == "/create-loan" and key == ""):
        assert json.loads(response["body"])["type"] == "/problems/invalid-request"
    else:
        assert json.loads(response["body"]).get("type") in {
            None,
            "/problems/customer-not-found",
            "/problems/idempotency-mismatch",
            "/problems/store-unavailable",
        }


@pytest.mark.parametrize("loan_amount", ["100000.00", "9999999999.99"], ids=["approved", "declined"])
def test_a_replayed_answer_conforms(loan_amount: str, store: FakeLoanStore) -> None:
    store.away = False
    body = VALID_BODY.replace("100000.00", loan_amount)
    event = post_event("/create-loan", body, **{"idempotency-key": f"repeated for {loan_amount}"})

    first, second = (HANDLERS["/create-loan"](event, LambdaContext("create_loan")) for _ in range(2))

    assert_conforms("POST", "/create-loan", second)
    assert second["headers"]["idempotency-replayed"] == "true"
    assert second["body"] == first["body"]
    assert second["statusCode"] == first["statusCode"]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/check-eligibility", StoreUnavailableError()),
        ("/create-loan", StoreUnavailableError()),
        ("/create-loan", RequestInProgressError()),
        ("/create-loan", IdempotencyMismatchError()),
        ("/create-loan", OutcomeUnknownError(keyed=True)),
        ("/create-loan", OutcomeUnknownError(keyed=False)),
        ("/check-eligibility", RuntimeError("SELECT secret")),
        ("/create-loan", RuntimeError("SELECT secret")),
        ("/create-loan", RecursionError("SELECT secret")),
    ],
    ids=repr,
)
def test_an_error_in_the_store_conforms_and_tells_nothing(
    path: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> FakeLoanStore:
        raise error

    monkeypatch.setattr(wiring, "loan_store", fail)

    response = HANDLERS[path](post_event(path, VALID_BODY, **{"idempotency-key": "a-key"}), LambdaContext(path))

    assert_conforms("POST", path, response)
    assert "secret" not in response["body"]


@pytest.mark.parametrize("path", sorted(HANDLERS))
def test_a_lone_surrogate_in_a_name_is_answered_readably(path: str) -> None:
    response = HANDLERS[path](post_event(path, json.dumps({"\ud800": 1})), LambdaContext(path))

    assert_conforms("POST", path, response)


def test_an_unknown_route_conforms() -> None:
    event = post_event("/check-eligibility", VALID_BODY) | {"routeKey": "$default"}

    response = HANDLERS["/check-eligibility"](event, LambdaContext("check_eligibility"))

    assert_conforms("GET", "/loans", response)


def test_every_error_is_shown_by_an_example_and_explained_on_a_page() -> None:
    raised = {f"/problems/{slug}": status for status, slug, _ in [*PROBLEMS.values(), INTERNAL_ERROR]}
    shown = {
        example["value"]["type"]: example["value"]["status"]
        for response in contract()["components"]["responses"].values()
        for example in response["content"].get(PROBLEM, {"examples": {}})["examples"].values()
    }
    # No operation answers this one; the contract speaks of it in its introduction.
    shown["/problems/route-not-found"] = 404
    explained = re.findall(r"^## (\d+) `(/problems/[a-z-]+)`$", PROBLEMS_PAGE.read_text("utf-8"), re.MULTILINE)

    kinds = {*LendingError.__subclasses__(), *RequestError.__subclasses__()} - {RequestError}
    assert set(PROBLEMS) == kinds
    assert raised == shown
    assert raised == {slug: int(status) for status, slug in explained}
