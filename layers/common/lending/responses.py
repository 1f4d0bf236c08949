"""Responses as API Gateway wants them: decisions as JSON with money to the cent, errors as problem+json."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

from lending.domain.eligibility import Decision
from lending.domain.loans import LoanApplication
from lending.errors import (
    CustomerNotFoundError,
    IdempotencyMismatchError,
    LendingError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
)
from lending.request_errors import (
    BodyTooLargeError,
    ContentEncodingError,
    InvalidRequestError,
    MalformedBodyError,
    RouteNotFoundError,
    ScopeMissingError,
    UnknownCallerError,
)
from lending.use_cases.cache_use import CacheUse
from lending.use_cases.create_loan import LoanResult

Response = dict[str, Any]

RETRY_AFTER_SECONDS = 1
SERVER_ERROR = 500

PROBLEMS: dict[type[LendingError], tuple[int, str, str]] = {
    MalformedBodyError: (400, "malformed-body", "Malformed body"),
    UnknownCallerError: (403, "unknown-caller", "Unknown caller"),
    ScopeMissingError: (403, "scope-missing", "Scope missing"),
    RouteNotFoundError: (404, "route-not-found", "Route not found"),
    BodyTooLargeError: (413, "body-too-large", "Body too large"),
    ContentEncodingError: (415, "content-encoding", "Content encoding not supported"),
    InvalidRequestError: (422, "invalid-request", "Invalid request"),
    CustomerNotFoundError: (404, "customer-not-found", "Customer not found"),
    IdempotencyMismatchError: (422, "idempotency-mismatch", "Idempotency key reused"),
    OutcomeUnknownError: (500, "outcome-unknown", "Outcome unknown"),
    RequestInProgressError: (409, "request-in-progress", "Request in progress"),
    StoreUnavailableError: (503, "store-unavailable", "Store unavailable"),
}
INTERNAL_ERROR = (SERVER_ERROR, "internal-error", "Internal error")


def render_eligibility(application: LoanApplication, decision: Decision) -> Response:
    """Return the response of POST /check-eligibility."""
    return _json(
        200,
        f'{{"customer_id":{application.customer_id},"approval":{_approval(decision)},'
        f'"interest_rate":{_hundredths(application.interest_rate)},'
        f'"corrected_interest_rate":{_hundredths(decision.corrected_interest_rate)},"tenure":{application.tenure},'
        f'"monthly_installment":{_hundredths(decision.monthly_installment)},'
        f'{_explanation(decision)},"reason_codes":{_reasons(decision)}}}',
    )


def render_loan(application: LoanApplication, result: LoanResult) -> Response:
    """Return the response of POST /create-loan."""
    decision, loan = result.decision, result.loan
    loan_id, start, end = (
        ("null",) * 3 if loan is None else (loan.loan_id, _date(loan.start_date), _date(loan.end_date))
    )
    response = _json(
        200 if loan is None else 201,
        f'{{"loan_id":{loan_id},"customer_id":{application.customer_id},"loan_approved":{_approval(decision)},'
        f'"message":"{"Loan approved." if decision.approved else "Loan declined."}",'
        f'"monthly_installment":{_hundredths(decision.monthly_installment)},'
        f'"corrected_interest_rate":{_hundredths(decision.corrected_interest_rate)},'
        f'{_explanation(decision)},"start_date":{start},"end_date":{end},"reason_codes":{_reasons(decision)}}}',
    )
    if result.replayed:
        response["headers"]["idempotency-replayed"] = "true"
    return response


def render_error(exc: Exception) -> Response:
    """Return the problem (RFC 9457) that an error is to the caller; the unforeseen ones without their details."""
    foreseen = isinstance(exc, LendingError)
    status, slug, title = next((PROBLEMS[cls] for cls in type(exc).__mro__ if cls in PROBLEMS), INTERNAL_ERROR)
    problem: dict[str, object] = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": str(exc) if foreseen else "Something went wrong on our side.",
    }
    if isinstance(exc, InvalidRequestError):
        problem["errors"] = [error._asdict() for error in exc.errors]
    headers = _headers("application/problem+json")
    if status in {409, 503}:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return {"statusCode": status, "headers": headers, "body": json.dumps(problem)}


def cache_status(use: CacheUse) -> str | None:
    """Return the Cache-Status (RFC 9211) of a response; None when the cache was not looked at."""
    if use.outcome is None:
        return None
    stored = "; stored" if use.stored else ""
    detail = f"; detail={use.bypass.value}" if use.bypass else ""
    return f"credit-score; {use.outcome.value}{stored}{detail}"


def _json(status: int, body: str) -> Response:
    return {"statusCode": status, "headers": _headers("application/json"), "body": body}


def _headers(content_type: str) -> dict[str, str]:
    # What is said of a customer is nobody else's to keep.
    return {"content-type": content_type, "cache-control": "no-store"}


def _explanation(decision: Decision) -> str:
    amount, tenure = decision.highest_loan_amount, decision.shortest_tenure
    return (
        f'"credit_score":{decision.credit_score},"score_components":{_components(decision)},'
        f'"highest_loan_amount":{"null" if amount is None else _hundredths(amount)},'
        f'"shortest_tenure":{"null" if tenure is None else tenure}'
    )


def _components(decision: Decision) -> str:
    if decision.score_components is None:
        return "null"
    parts = [
        f'{{"name":"{name}","points":{points!s},"points_possible":{possible}.00}}'
        for name, points, possible in decision.score_components.by_points_missed(decision.points_possible)
    ]
    return f"[{','.join(parts)}]"


def _date(day: date) -> str:
    return f'"{day.isoformat()}"'


def _hundredths(value: Decimal) -> str:
    """Return a number with two decimals; a float on the way would sometimes show that it was one."""
    return f"{value:.2f}"


def _approval(decision: Decision) -> str:
    return "true" if decision.approved else "false"


def _reasons(decision: Decision) -> str:
    return "[" + ",".join(f'"{reason.value}"' for reason in decision.reason_codes) + "]"
