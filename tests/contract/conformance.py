"""Compares responses with openapi.yaml, strictly: status, headers, media type and body."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tests.contract.contract import contract, exact_json, resolve, validator

DECIMAL_FIELDS = ("interest_rate", "corrected_interest_rate", "monthly_installment")


def assert_conforms(method: str, path: str, response: Mapping[str, Any]) -> None:
    """Compare a handler's response (payload format 2.0) with the operation's contract.

    A method and path that the contract does not know must be answered as its RouteNotFound.

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
    media_type = documented["content"].get(headers.get("content-type"))
    if media_type is None:
        yield f"content type {headers.get('content-type')} is not documented"
    else:
        yield from _body_violations(media_type["schema"], response["body"])


def _documented_responses(method: str, path: str) -> dict[str, dict[str, Any]]:
    operation = contract()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return {"404": contract()["components"]["responses"]["RouteNotFound"]}
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
        breaches = list(validator(schema).iter_errors(document))
    except ValueError as error:  # also refuses a lone surrogate, escaped or not, because not every client can read it
        yield f"body: {error}"
        return
    for breach in breaches:
        yield f"body at {breach.instance_path}: {breach.message}"
    for name in DECIMAL_FIELDS:
        number = document.get(name) if isinstance(document, dict) else None
        if isinstance(number, Decimal) and number.as_tuple().exponent != -2:
            yield f"body: {name} {number} has not two decimals"
