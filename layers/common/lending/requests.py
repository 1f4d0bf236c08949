"""API Gateway events (HTTP API, payload 2.0) in: requests within the contract's bounds, or every breach of it."""

import json
import re
from binascii import a2b_base64
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, NamedTuple

from lending.domain.loans import LoanApplication, LoanRequest
from lending.request_errors import FieldError, InvalidRequestError, MalformedBodyError, RouteNotFoundError

Event = Mapping[str, Any]


class Field(NamedTuple):
    """What the contract says of one number in the body."""

    low: Decimal
    high: Decimal
    whole: bool = False
    """No decimals; else at most two."""
    above_low: bool = False
    """The low bound itself is out of bounds."""


FIELDS: Mapping[str, Field] = {
    "customer_id": Field(Decimal(1), Decimal(4_294_967_295), whole=True),
    "loan_amount": Field(Decimal(0), Decimal("9999999999.99"), above_low=True),
    "interest_rate": Field(Decimal(0), Decimal(100)),
    "tenure": Field(Decimal(1), Decimal(480), whole=True),
}
MAX_BODY_BYTES = 8 * 1024
CENT = Decimal("0.01")
IDEMPOTENCY_KEY = re.compile("[ -~]{1,255}").fullmatch


def parse_application(event: Event) -> LoanApplication:
    """Return the application in an event's body.

    Raises:
        RouteNotFoundError: The event came by the default route: the API has no operation for it.
        MalformedBodyError: The body is missing, too large, or not one unambiguous JSON document.
        InvalidRequestError: Fields are missing, unknown or out of bounds; all of them are named.
    """
    document = _routed_document(event)
    errors = _breaches(document)
    if errors:
        raise InvalidRequestError(errors)
    return _application(document)


def parse_loan_request(event: Event, request_id: str) -> LoanRequest:
    """Return the application in an event's body with what tells the request from its repetitions.

    Raises:
        As parse_application; a breach in the Idempotency-Key is named beside those in the body.
    """
    document = _routed_document(event)
    errors = _breaches(document)
    key = event.get("headers", {}).get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY(key):
        errors.append(FieldError("Idempotency-Key", "must be 1 to 255 printable ASCII characters"))
    if errors:
        raise InvalidRequestError(errors)
    return LoanRequest(
        application=_application(document),
        request_id=request_id,
        idempotency_keys=() if key is None else (sha256(f"{principal_of(event)}\n{key}".encode()).digest(),),
    )


def principal_of(event: Event) -> str:
    """Return who called, as far as the gateway has found out: the same for all sessions of one caller."""
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    if "jwt" in authorizer:
        claims = authorizer["jwt"]["claims"]
        return f"jwt {claims.get('iss')} {claims.get('sub')}"
    if "iam" in authorizer:
        # An assumed role's id carries the session's name after a colon: a retry may come from another session.
        return f"iam {authorizer['iam']['userId'].partition(':')[0]}"
    return ""


def _routed_document(event: Event) -> Any:
    if event.get("routeKey") == "$default":
        http = event["requestContext"]["http"]
        raise RouteNotFoundError(f"There is no {http['method']} {http['path']}.")
    return _document(_body(event))


def _breaches(document: Any) -> list[FieldError]:
    if not isinstance(document, dict):
        return [FieldError("", "must be an object")]
    errors = [FieldError(_pointer(name), "is not a known field") for name in _unknown_names(document)]
    for name, field in FIELDS.items():
        breach = _breach(document[name], field) if name in document else "is missing"
        if breach is not None:
            errors.append(FieldError(_pointer(name), breach))
    return errors


def _unknown_names(document: Mapping[str, Any]) -> list[str]:
    names = [name for name in document if name not in FIELDS]
    try:
        "".join(names).encode()
    except UnicodeEncodeError as exc:
        # Half of a surrogate pair, which no answer could name in turn.
        raise MalformedBodyError("A name in the body is not text in UTF-8.") from exc
    return names


def _application(document: Mapping[str, Decimal]) -> LoanApplication:
    return LoanApplication(
        customer_id=int(document["customer_id"]),
        loan_amount=document["loan_amount"].quantize(CENT),
        interest_rate=abs(document["interest_rate"].quantize(CENT)),  # -0 is a zero
        tenure=int(document["tenure"]),
    )


def _body(event: Event) -> str:
    """Return the body as text, decoded where API Gateway took it for binary."""
    body = event.get("body")
    if not body:
        raise MalformedBodyError("The request has no body.")
    try:
        raw = a2b_base64(body, strict_mode=True) if event.get("isBase64Encoded") else body.encode()
        if len(raw) > MAX_BODY_BYTES:
            raise MalformedBodyError(f"The body is larger than {MAX_BODY_BYTES} bytes.")
        return str(raw, "utf-8")
    except ValueError as exc:
        raise MalformedBodyError("The body is not text in UTF-8.") from exc


def _document(text: str) -> Any:
    try:
        return _decode(text)
    except RecursionError as exc:
        raise MalformedBodyError("The body is nested too deeply.") from exc
    except ValueError as exc:
        raise MalformedBodyError("The body is not valid JSON.") from exc


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Parsers differ on which of the two counts; money does not ride on that.
        raise MalformedBodyError("The body repeats a name within one object.")
    return members


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent beyond what Decimal holds: out of every bound we have, whatever its exact value.
        return Decimal("Infinity")


def _refuse_constant(name: str) -> Any:
    raise MalformedBodyError(f"{name} is not valid JSON.")


# Every number is read as the decimal that it is written as; built once, since building costs more than decoding.
_decode = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=_refuse_constant, object_pairs_hook=_unique_names
).decode


def _breach(value: Any, field: Field) -> str | None:
    if not isinstance(value, Decimal):
        return "must be an integer" if field.whole else "must be a number"
    if value < field.low or (value == field.low and field.above_low):
        return f"must be greater than {field.low}" if field.above_low else f"must be at least {field.low}"
    if value > field.high:
        return f"must be at most {field.high}"
    if field.whole:
        return None if value == value.to_integral_value() else "must be an integer"
    return None if value == value.quantize(CENT) else "must have at most 2 decimals"


def _pointer(name: str) -> str:
    """Return the JSON pointer (RFC 6901) to a member of the body."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
