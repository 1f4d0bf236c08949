"""assert_conforms passes what the contract allows, and nothing else."""

import json
from typing import Any

import pytest

from tests.contract.conformance import assert_conforms

ELIGIBILITY = (
    '{"customer_id": 1001, "approval": true, "interest_rate": 8.00, "corrected_interest_rate": 12.00, "tenure": 12,'
    ' "monthly_installment": 8884.88, "credit_score": 41,'
    ' "score_components": [{"name": "volume", "points": 25.00, "points_possible": 25.00}],'
    ' "highest_loan_amount": 100000.00, "shortest_tenure": null, "reason_codes": []}'
)
LOAN = (
    '{"loan_id": 7, "customer_id": 1001, "loan_approved": true, "message": "Lent.", "monthly_installment": 8884.88,'
    ' "corrected_interest_rate": 12.00, "credit_score": 41, "score_components": null, "highest_loan_amount": null,'
    ' "shortest_tenure": null, "start_date": "2024-06-15", "end_date": "2025-06-15", "reason_codes": []}'
)
BUSY = {"type": "/problems/store-unavailable", "title": "Store unavailable", "status": 503, "detail": "It is away."}
NO_STORE = {"Cache-Control": "no-store"}


def _decision(body: str = ELIGIBILITY, **headers: str) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"} | NO_STORE | headers, "body": body}


def _loan(body: str = LOAN, **headers: str) -> dict[str, Any]:
    return _decision(body, **headers) | {"statusCode": 201}


def _problem(status: int, problem: dict[str, Any], **headers: str) -> dict[str, Any]:
    body = json.dumps(problem)
    content_type = {"Content-Type": "application/problem+json"}
    return {"statusCode": status, "headers": content_type | NO_STORE | headers, "body": body}


HIT = {"Cache-Status": "credit-score; hit"}
RETRY = {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("path", "response"),
    [
        ("/check-eligibility", _decision(**HIT)),
        ("/check-eligibility", _decision(**{"Cache-Status": "credit-score; fwd=miss; stored"})),
        ("/check-eligibility", _decision(**{"cache-status": "credit-score; fwd=bypass; detail=unavailable"})),
        ("/create-loan", _loan(**HIT)),
        ("/check-eligibility", _problem(503, BUSY, **RETRY)),
        ("/loans", _problem(404, BUSY | {"type": "/problems/route-not-found", "status": 404})),
    ],
)
def test_what_the_contract_allows_passes(path: str, response: dict[str, Any]) -> None:
    assert_conforms("POST", path, response)


@pytest.mark.parametrize(
    ("path", "response", "complaint"),
    [
        ("/check-eligibility", _decision(**HIT) | {"statusCode": 201}, "status 201 is not documented"),
        ("/check-eligibility", _problem(200, BUSY, **HIT), "content type application/problem"),
        ("/check-eligibility", _decision(), "header Cache-Status is missing"),
        ("/check-eligibility", _decision(**HIT, **{"Cache-Control": "private"}), "Cache-Control is not no-store"),
        ("/check-eligibility", _decision(ELIGIBILITY.replace('"tenure"', '"score": 1, "tenure"'), **HIT), "body at []"),
        ("/create-loan", _loan(**HIT) | {"statusCode": 200}, "the loan, loan_approved and the status"),
        ("/create-loan", _loan(LOAN.replace('"loan_id": 7', '"loan_id": null'), **HIT), "the loan, loan_approved"),
        ("/create-loan", _loan(LOAN.replace('"2024-06-15"', "null"), **HIT), "the loan, loan_approved"),
        ("/check-eligibility", _decision(**{"Cache-Status": "hit"}), "header Cache-Status: "),
        ("/check-eligibility", _decision(**HIT, **RETRY), "header Retry-After is not documented here"),
        ("/check-eligibility", _problem(503, BUSY), "header Retry-After belongs to 409"),
        ("/check-eligibility", _problem(503, BUSY, **{"Retry-After": "soon"}), "header Retry-After: "),
        ("/check-eligibility", _problem(503, BUSY | {"status": 500}, **RETRY), "status is not the response's"),
        ("/check-eligibility", _problem(503, BUSY | {"type": "/problems/other"}, **RETRY), "no example shows"),
        ("/check-eligibility", _problem(503, BUSY | {"errors": [{"pointer": "", "detail": "x"}]}, **RETRY), "errors"),
        ("/check-eligibility", _problem(503, BUSY | {"trace": "File ..."}, **RETRY), "body at []"),
        ("/check-eligibility", _decision(ELIGIBILITY.replace("8884.88", "8884.8800001"), **HIT), "not two decimals"),
        ("/check-eligibility", _decision(ELIGIBILITY.replace("8.00", "8"), **HIT), "not two decimals"),
        ("/check-eligibility", _decision(ELIGIBILITY.replace("25.00", "25"), **HIT), "not two decimals"),
        ("/check-eligibility", _decision(ELIGIBILITY.replace("8884.88", "NaN"), **HIT), "NaN is no JSON"),
        ("/check-eligibility", _decision(ELIGIBILITY.replace("true", "false"), **HIT), "reason_codes and approval"),
        ("/check-eligibility", _decision('{"a": 1, "a": 2}', **HIT), "a name is repeated"),
        ("/check-eligibility", _decision('"\ud800"', **HIT), "surrogates not allowed"),
        ("/check-eligibility", _decision(json.dumps("\ud800"), **HIT), "surrogates not allowed"),
        ("/loans", _decision(**HIT), "status 200 is not documented"),
    ],
)
def test_anything_else_fails_and_is_named(path: str, response: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError) as failure:
        assert_conforms("POST", path, response)

    assert complaint in str(failure.value)
