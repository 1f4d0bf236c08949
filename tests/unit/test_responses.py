import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.eligibility import Decision, ReasonCode
from lending.domain.loans import LoanApplication, LoanMade
from lending.domain.scoring import ScoreComponents
from lending.errors import (
    ConnectionLostError,
    CustomerNotFoundError,
    IdempotencyMismatchError,
    LendingError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.ports import BypassReason
from lending.request_errors import (
    BodyTooLargeError,
    ContentEncodingError,
    FieldError,
    InvalidRequestError,
    MalformedBodyError,
    RequestError,
    RouteNotFoundError,
    ScopeMissingError,
    UnknownCallerError,
)
from lending.responses import PROBLEMS, Response, cache_status, render_eligibility, render_error, render_loan
from lending.use_cases.cache_use import CacheOutcome, CacheUse
from lending.use_cases.create_loan import LoanResult
from testkit.fakes import POLICY

APPLICATION = LoanApplication(1001, Decimal(100000), Decimal("8.5"), 12)
POINTS = ScoreComponents(Decimal("30.00"), Decimal("6.00"), Decimal("0.00"), Decimal("9.00"))
APPROVED = Decision(45, Decimal(12), Decimal("8884.88"), (), POINTS, Decimal("168824.00"), 6, POLICY.weights)
DECLINED = Decision(
    0,
    Decimal("8.5"),
    Decimal("8721.98"),
    (ReasonCode.DEBT_OVER_APPROVED_LIMIT, ReasonCode.INSTALLMENTS_OVER_HALF_SALARY),
    POINTS,
    Decimal(0),
    None,
    POLICY.weights,
)

HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
COMPONENTS = (
    '[{"name":"activity","points":0.00,"points_possible":20.00},{"name":"volume","points":9.00,"points_possible":25.00},'
    '{"name":"experience","points":6.00,"points_possible":20.00},'
    '{"name":"punctuality","points":30.00,"points_possible":35.00}]'
)

money = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("9999999999.99"), places=2)
rates = st.decimals(min_value=0, max_value=100, places=2)


def test_an_eligibility_answer_has_the_contracts_fields_in_its_order() -> None:
    response = render_eligibility(APPLICATION, APPROVED)

    assert response == {
        "statusCode": 200,
        "headers": HEADERS,
        "body": '{"customer_id":1001,"approval":true,"interest_rate":8.50,"corrected_interest_rate":12.00,"tenure":12,'
        '"monthly_installment":8884.88,"credit_score":45,'
        f'"score_components":{COMPONENTS},"highest_loan_amount":168824.00,"shortest_tenure":6,"reason_codes":[]}}',
    }


def test_a_loan_that_was_made_is_created() -> None:
    response = render_loan(APPLICATION, LoanResult(APPROVED, LoanMade(5001, date(2024, 6, 15), date(2025, 6, 15))))

    assert response == {
        "statusCode": 201,
        "headers": HEADERS,
        "body": '{"loan_id":5001,"customer_id":1001,"loan_approved":true,"message":"Loan approved.",'
        '"monthly_installment":8884.88,"corrected_interest_rate":12.00,"credit_score":45,'
        f'"score_components":{COMPONENTS},"highest_loan_amount":168824.00,"shortest_tenure":6,'
        '"start_date":"2024-06-15","end_date":"2025-06-15","reason_codes":[]}',
    }


def test_a_declined_loan_is_an_answer_with_its_reasons() -> None:
    response = render_loan(APPLICATION, LoanResult(DECLINED, None))

    assert response == {
        "statusCode": 200,
        "headers": HEADERS,
        "body": '{"loan_id":null,"customer_id":1001,"loan_approved":false,"message":"Loan declined.",'
        '"monthly_installment":8721.98,"corrected_interest_rate":8.50,"credit_score":0,'
        f'"score_components":{COMPONENTS},"highest_loan_amount":0.00,"shortest_tenure":null,'
        '"start_date":null,"end_date":null,'
        '"reason_codes":["DEBT_OVER_APPROVED_LIMIT","INSTALLMENTS_OVER_HALF_SALARY"]}',
    }


def test_what_was_not_kept_of_an_old_decision_is_null() -> None:
    old = APPROVED._replace(score_components=None, highest_loan_amount=None, shortest_tenure=None)
    body = json.loads(
        render_loan(APPLICATION, LoanResult(old, LoanMade(1, date(2024, 6, 15), date(2025, 6, 15))))["body"]
    )

    assert [body[name] for name in ("score_components", "highest_loan_amount", "shortest_tenure")] == [None] * 3
    assert body["credit_score"] == 45


def test_an_answer_given_before_says_so() -> None:
    first = render_loan(APPLICATION, LoanResult(APPROVED, LoanMade(5001, date(2024, 6, 15), date(2025, 6, 15))))
    again = render_loan(
        APPLICATION,
        LoanResult(APPROVED, LoanMade(5001, date(2024, 6, 15), date(2025, 6, 15)), first_request_id="first"),
    )

    assert again["headers"] == first["headers"] | {"idempotency-replayed": "true"}
    assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])


def test_reasons_keep_their_order() -> None:
    body = json.loads(render_eligibility(APPLICATION, DECLINED)["body"])

    assert body["approval"] is False
    assert body["reason_codes"] == ["DEBT_OVER_APPROVED_LIMIT", "INSTALLMENTS_OVER_HALF_SALARY"]


@given(rates, rates, money)
def test_numbers_have_two_decimals_and_are_exact(asked: Decimal, corrected: Decimal, installment: Decimal) -> None:
    """No float on the way: 0.1 + 0.2 is 0.30, and a large amount keeps its cents."""
    application = LoanApplication(1001, Decimal(1), asked, 12)
    decision = Decision(45, corrected, installment, (), POINTS, Decimal("168824.00"), 6, POLICY.weights)

    for response in (
        render_eligibility(application, decision),
        render_loan(application, LoanResult(decision, LoanMade(1, date(2024, 6, 15), date(2025, 6, 15)))),
    ):
        written = dict(re.findall(r'"(\w+)":([0-9.eE+-]+)', response["body"]))
        assert re.fullmatch(r"\d+\.\d\d", written["monthly_installment"])
        assert re.fullmatch(r"\d+\.\d\d", written["corrected_interest_rate"])
        assert Decimal(written["monthly_installment"]) == installment
        assert Decimal(written["corrected_interest_rate"]) == corrected
        assert Decimal(written.get("interest_rate", asked)) == asked


@pytest.mark.parametrize(
    ("value", "written"), [("1E+2", "100.00"), ("0", "0.00"), ("9999999999.99", "9999999999.99"), ("0.1", "0.10")]
)
def test_however_a_decimal_is_held_it_is_written_the_same_way(value: str, written: str) -> None:
    body = render_eligibility(APPLICATION, APPROVED._replace(monthly_installment=Decimal(value)))["body"]

    assert f'"monthly_installment":{written},' in body


def test_every_error_has_a_problem() -> None:
    slugs = [slug for _, slug, _ in PROBLEMS.values()]

    kinds = {*LendingError.__subclasses__(), *RequestError.__subclasses__()} - {RequestError}
    assert set(PROBLEMS) == kinds
    assert len(set(slugs)) == len(slugs), "one stable type each"


def problem_of(response: Response) -> Any:
    return json.loads(response["body"])


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (
            UnknownCallerError("The token names nobody."),
            {
                "type": "/problems/unknown-caller",
                "title": "Unknown caller",
                "status": 403,
                "detail": "The token names nobody.",
            },
        ),
        (
            ScopeMissingError("loans.write"),
            {
                "type": "/problems/scope-missing",
                "title": "Scope missing",
                "status": 403,
                "detail": "The token lacks the scope loans.write.",
            },
        ),
        (
            BodyTooLargeError("The body is larger than 8192 bytes."),
            {
                "type": "/problems/body-too-large",
                "title": "Body too large",
                "status": 413,
                "detail": "The body is larger than 8192 bytes.",
            },
        ),
        (
            ContentEncodingError("The body must come as it is."),
            {
                "type": "/problems/content-encoding",
                "title": "Content encoding not supported",
                "status": 415,
                "detail": "The body must come as it is.",
            },
        ),
        (
            MalformedBodyError("The body is not valid JSON."),
            {
                "type": "/problems/malformed-body",
                "title": "Malformed body",
                "status": 400,
                "detail": "The body is not valid JSON.",
            },
        ),
        (
            InvalidRequestError([FieldError("/tenure", "must be at least 1"), FieldError("/a~1b", "is missing")]),
            {
                "type": "/problems/invalid-request",
                "title": "Invalid request",
                "status": 422,
                "detail": "The request breaks the contract; each breach is listed in errors.",
                "errors": [
                    {"pointer": "/tenure", "detail": "must be at least 1"},
                    {"pointer": "/a~1b", "detail": "is missing"},
                ],
            },
        ),
        (
            RouteNotFoundError("There is no GET /loans."),
            {
                "type": "/problems/route-not-found",
                "title": "Route not found",
                "status": 404,
                "detail": "There is no GET /loans.",
            },
        ),
        (
            CustomerNotFoundError(42),
            {
                "type": "/problems/customer-not-found",
                "title": "Customer not found",
                "status": 404,
                "detail": "No customer has id 42.",
            },
        ),
        (
            IdempotencyMismatchError(),
            {
                "type": "/problems/idempotency-mismatch",
                "title": "Idempotency key reused",
                "status": 422,
                "detail": "This Idempotency-Key came before with another body.",
            },
        ),
        (
            OutcomeUnknownError(),
            {
                "type": "/problems/outcome-unknown",
                "title": "Outcome unknown",
                "status": 500,
                "detail": str(OutcomeUnknownError()),
            },
        ),
        (
            RequestInProgressError(),
            {
                "type": "/problems/request-in-progress",
                "title": "Request in progress",
                "status": 409,
                "detail": "Another request for this customer is still running.",
            },
        ),
        (
            StoreUnavailableError(),
            {
                "type": "/problems/store-unavailable",
                "title": "Store unavailable",
                "status": 503,
                "detail": "The loan store is away or busy.",
            },
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_a_problem_that_says_what_is_wrong(error: LendingError, problem: dict[str, object]) -> None:
    response = render_error(error)

    assert problem_of(response) == problem
    assert response["statusCode"] == problem["status"]
    assert response["headers"]["content-type"] == "application/problem+json"


@pytest.mark.parametrize("error_class", PROBLEMS)
def test_only_what_may_be_tried_again_says_when(error_class: type[LendingError]) -> None:
    error = error_class.__new__(error_class)
    error.__dict__["errors"] = []

    response = render_error(error)

    assert ("retry-after" in response["headers"]) == (response["statusCode"] in {409, 503})
    assert int(response["headers"].get("retry-after", 1)) >= 1


@pytest.mark.parametrize("error", [ConnectionLostError(), TransactionConflictError()], ids=repr)
def test_a_kind_of_an_error_is_that_errors_problem(error: LendingError) -> None:
    response = render_error(error)

    assert problem_of(response)["type"] == "/problems/store-unavailable"
    assert response["statusCode"] == 503


@pytest.mark.parametrize(
    "error", [RuntimeError("SELECT secret"), KeyError("secret"), ValueError("secret"), TypeError()]
)
def test_an_unforeseen_error_tells_the_caller_nothing(error: Exception) -> None:
    response = render_error(error)

    assert response["statusCode"] == 500
    assert response["headers"] == {"content-type": "application/problem+json", "cache-control": "no-store"}
    assert problem_of(response) == {
        "type": "/problems/internal-error",
        "title": "Internal error",
        "status": 500,
        "detail": "Something went wrong on our side.",
    }


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (CacheUse(), None),
        (CacheUse(CacheOutcome.HIT), "credit-score; hit"),
        (CacheUse(CacheOutcome.MISS), "credit-score; fwd=miss"),
        (CacheUse(CacheOutcome.MISS, stored=True), "credit-score; fwd=miss; stored"),
        (
            CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.UNAVAILABLE),
            "credit-score; fwd=bypass; detail=unavailable",
        ),
        (
            CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.BREAKER_OPEN),
            "credit-score; fwd=bypass; detail=breaker-open",
        ),
        (
            CacheUse(CacheOutcome.BYPASS, bypass=BypassReason.MISCONFIGURED),
            "credit-score; fwd=bypass; detail=misconfigured",
        ),
        (CacheUse(CacheOutcome.PASSED_ON), "credit-score; fwd=method"),
    ],
    ids=str,
)
def test_the_cache_status_says_how_the_cache_was_used(use: CacheUse, text: str | None) -> None:
    assert cache_status(use) == text
