"""API Gateway events (HTTP API, payload 2.0) in: requests within the contract's bounds, or every breach of it."""

import json
from binascii import a2b_base64
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from lending.caller import Caller, Event
from lending.domain.installment import CENT, costs_nothing, in_cents
from lending.domain.loans import LoanApplication, LoanRequest
from lending.idempotency import HEADER, KeyFormError, stored_key
from lending.request_errors import (
    BodyTooLargeError,
    ContentEncodingError,
    FieldError,
    InvalidRequestError,
    MalformedBodyError,
)


class Field(NamedTuple):
    """What the contract says of one number in the body."""

    low: Decimal
    high: Decimal
    whole: bool = False
    """No decimals; else at most two."""
    above_low: bool = False
    """The low bound itself is out of bounds."""
    optional: bool = False


APPLICATION: Mapping[str, Field] = {
    "customer_id": Field(Decimal(1), Decimal(4_294_967_295), whole=True),
    "loan_amount": Field(Decimal(0), Decimal("9999999999.99"), above_low=True),
    "interest_rate": Field(Decimal(0), Decimal(100)),
    "tenure": Field(Decimal(1), Decimal(480), whole=True),
}
LOAN_REQUEST: Mapping[str, Field] = {
    **APPLICATION,
    "highest_interest_rate": Field(Decimal(0), Decimal(100), optional=True),
}
MAX_BODY_BYTES = 8 * 1024
TOO_SMALL = "must be large enough for an installment of 0.01"


def parse_application(event: Event) -> LoanApplication:
    """Return the application in an event's body.

    Raises:
        ContentEncodingError: The body is compressed.
        BodyTooLargeError: The body is larger than an application can be.
        MalformedBodyError: The body is missing, or not one unambiguous JSON document.
        InvalidRequestError: Fields are missing, unknown or out of bounds; all of them are named.
    """
    return _within_bounds(_document(_body(event)), APPLICATION)


def loan_application(document: Any) -> LoanApplication:
    """Return the application that a document of numbers is, within the bounds of POST /create-loan.

    Raises:
        InvalidRequestError: Fields are missing, unknown or out of bounds; all of them are named.
    """
    return _within_bounds(document, LOAN_REQUEST)


def parse_loan_request(event: Event, request_id: str, caller: Caller) -> LoanRequest:
    """Return the application in an event's body with what tells the request from its repetitions.

    Raises:
        As parse_application; a breach in the Idempotency-Key is named beside those in the body.
    """
    document, header = _document(_body(event)), _header(event, HEADER)
    application, errors = _read(document, LOAN_REQUEST)
    key: bytes | None = None
    earlier_key: bytes | None = None
    if header is not None:
        try:
            key, earlier_key = stored_key(caller, header)
        except KeyFormError as exc:
            errors.append(FieldError(HEADER, str(exc)))
    if application is None or errors:
        raise InvalidRequestError(errors)
    return LoanRequest(application, request_id, key, earlier_key)


def _within_bounds(document: Any, fields: Mapping[str, Field]) -> LoanApplication:
    application, errors = _read(document, fields)
    if application is None:
        raise InvalidRequestError(errors)
    return application


def _read(document: Any, fields: Mapping[str, Field]) -> tuple[LoanApplication | None, list[FieldError]]:
    """Return the application that a document is, or every breach of the contract."""
    if not isinstance(document, dict):
        return None, [FieldError("", "must be an object")]
    errors = [FieldError(_pointer(name), "is not a known field") for name in _unknown_names(document, fields)]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in document:
            try:
                values[name] = _value(document[name], field)
            except _BreachError as breach:
                errors.append(FieldError(_pointer(name), str(breach)))
        elif not field.optional:
            errors.append(FieldError(_pointer(name), "is missing"))
    if errors:
        return None, errors
    application = LoanApplication(**values)
    if costs_nothing(in_cents(application.loan_amount), application.interest_rate, application.tenure):
        return None, [FieldError("/loan_amount", TOO_SMALL)]
    return application, []


def _header(event: Event, name: str) -> str | None:
    """Return a header, its name in whatever case: API Gateway passes lower case, `sam local` what the client wrote."""
    wanted = name.lower()
    values = [value for given, value in (event.get("headers") or {}).items() if given.lower() == wanted]
    return ",".join(values) if values else None


def _unknown_names(document: Mapping[str, Any], fields: Mapping[str, Field]) -> list[str]:
    names = [name for name in document if name not in fields]
    try:
        "".join(names).encode()
    except UnicodeEncodeError as exc:
        # Half of a surrogate pair, which no answer could name in turn.
        raise MalformedBodyError("A name in the body is not text in UTF-8.") from exc
    return names


def _body(event: Event) -> str:
    """Return the body as text, decoded where API Gateway took it for binary."""
    encoding = _header(event, "Content-Encoding")
    if encoding and encoding.lower() != "identity":
        raise ContentEncodingError("The body must come as it is, without a Content-Encoding.")
    body = event.get("body")
    if not body:
        raise MalformedBodyError("The request has no body.")
    try:
        raw = a2b_base64(body, strict_mode=True) if event.get("isBase64Encoded") else body.encode()
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"The body is larger than {MAX_BODY_BYTES} bytes.")
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


class _BreachError(ValueError):
    """What the contract says against a value."""


def _value(number: object, field: Field) -> int | Decimal:
    """Return a number of the body as the application has it.

    Raises:
        _BreachError: The contract does not allow it.
    """
    if not isinstance(number, Decimal):
        raise _BreachError("must be an integer" if field.whole else "must be a number")
    if number < field.low or (field.above_low and number == field.low):
        raise _BreachError(f"must be greater than {field.low}" if field.above_low else f"must be at least {field.low}")
    if number > field.high:
        raise _BreachError(f"must be at most {field.high}")
    if field.whole:
        whole = int(number)
        if whole != number:
            raise _BreachError("must be an integer")
        return whole
    hundredths = number.quantize(CENT)
    if hundredths != number:
        raise _BreachError("must have at most 2 decimals")
    return abs(hundredths)  # -0 is a zero


def _pointer(name: str) -> str:
    """Return the JSON pointer (RFC 6901) to a member of the body."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
