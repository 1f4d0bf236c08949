"""Compares responses with openapi.yaml, strictly: status, headers, media type and body."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tests.contract.contract import contract, exact_json, resolve, strict_validator, validator

DECIMAL_FIELDS = {
    *("interest_rate", "corrected_interest_rate", "monthly_installment", "highest_loan_amount"),
    *("points", "points_possible"),
}

PROBLEM = "application/problem+json"


def assert_conforms(method: str, path: str, response: Mapping[str, Any]) -> None:
    """Compare a handler's response (payload format 2.0) with the operation's contract.

    A method and path that the contract does not know must be answered with 404, /problems/route-not-found.

    Raises:
        AssertionError: It does not conform; the message lists all that is wrong.
    """
    wrong = list(_violations(method, path, response))
    assert not wrong, f"{method} {path} answered {response}:\n" + "\n".join(wrong)


def _violations(method: str, path: str, response: Mapping[str, Any]) -> Iterator[str]:
    documented = _documented_responses(method, path).get(str(response["statusCode"]))
    if documented is None:
        yield f"status {response['statusCode']} is not documented"
        return
    headers = {name.lower(): value for name, value in response["headers"].items()}
    yield from _header_violations(documented.get("headers", {}), headers)
    if headers.get("cache-control") != "no-store":
        yield "header Cache-Control is not no-store"
    if ("retry-after" in headers) != (response["statusCode"] in {409, 503}):
        yield "header Retry-After belongs to 409 and 503"
    if path == "/check-eligibility" and response["statusCode"] == 200 and "cache-status" not in headers:
        yield "header Cache-Status is missing"
    content_type = headers.get("content-type", "")
    if content_type not in documented["content"]:
        yield f"content type {content_type} is not documented"
    elif content_type == PROBLEM:
        known = {value["type"] for value in _examples(documented["content"][PROBLEM])}
        yield from _body_violations({"$ref": "#/components/schemas/Problem"}, response["body"])
        yield from _problem_violations(known, response)
    else:
        yield from _body_violations(documented["content"][content_type]["schema"], response["body"])
        yield from _decision_violations(response)


def _examples(media_type: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [example["value"] for example in media_type["examples"].values()]


# For the routes that no operation has, a description in prose is all that OpenAPI allows.
ROUTE_NOT_FOUND = {
    "headers": {"Cache-Control": {"$ref": "#/components/headers/Cache-Control"}},
    "content": {PROBLEM: {"examples": {"route": {"value": {"type": "/problems/route-not-found"}}}}},
}


def _documented_responses(method: str, path: str) -> dict[str, dict[str, Any]]:
    operation = contract()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return {"404": ROUTE_NOT_FOUND}
    return {status: resolve(response) for status, response in operation["responses"].items()}


def _header_violations(documented: Mapping[str, dict[str, Any]], headers: Mapping[str, str]) -> Iterator[str]:
    for name in contract()["components"]["headers"]:
        present = name.lower() in headers
        if name not in documented:
            if present:
                yield f"header {name} is not documented here"
            continue
        header = resolve(documented[name])
        if present:
            value = headers[name.lower()]
            instance = int(value) if header["schema"].get("type") == "integer" and value.isdecimal() else value
            for breach in validator(header["schema"]).iter_errors(instance):
                yield f"header {name}: {breach.message}"
        elif header.get("required", False):
            yield f"header {name} is missing"


def _body_violations(schema: dict[str, Any], body: str) -> Iterator[str]:
    try:
        body.encode("utf-8")
        document = exact_json(body)
        breaches = list(strict_validator(schema).iter_errors(document))
    except ValueError as error:  # also refuses a lone surrogate, escaped or not, because not every client can read it
        yield f"body: {error}"
        return
    for breach in breaches:
        yield f"body at {breach.instance_path}: {breach.message}"
    for name, number in _decimals(document):
        if number.as_tuple().exponent != -2:
            yield f"body: {name} {number} has not two decimals"


def _decimals(node: object) -> Iterator[tuple[str, Decimal]]:
    if isinstance(node, list):
        for item in node:
            yield from _decimals(item)
    if isinstance(node, dict):
        for name, child in node.items():
            if name in DECIMAL_FIELDS and isinstance(child, Decimal):
                yield name, child
            yield from _decimals(child)


def _problem_violations(known: set[str], response: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a problem beyond its schema: each kind has its status, and is shown by an example."""
    problem = _document(response["body"])
    if problem.get("type") not in known:
        yield f"body: no example shows a {problem.get('type')} here"
    if problem.get("status") != response["statusCode"]:
        yield "body: status is not the response's"
    if ("errors" in problem) != (problem.get("type") == "/problems/invalid-request"):
        yield "body: errors belong to /problems/invalid-request alone"


def _decision_violations(response: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not fit together in a decision; one schema holds approvals and declines alike."""
    decision = _document(response["body"])
    approved = decision.get("approval", decision.get("loan_approved"))
    if approved != (decision.get("reason_codes") == []):
        yield "body: reason_codes and approval contradict each other"
    if "loan_approved" in decision:
        lent = [decision.get(name) is not None for name in ("loan_id", "start_date", "end_date")]
        if lent != [approved] * 3 or approved != (response["statusCode"] == 201):
            yield "body: the loan, loan_approved and the status contradict each other"


def _document(body: str) -> dict[str, Any]:
    try:
        document = exact_json(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
