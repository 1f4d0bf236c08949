import json
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from lending import requests
from lending.domain.loans import LoanApplication, LoanRequest
from lending.request_errors import FieldError, InvalidRequestError, MalformedBodyError, RouteNotFoundError
from lending.requests import MAX_BODY_BYTES, parse_application, parse_loan_request

FIELDS = {"customer_id": "1001", "loan_amount": "100000.00", "interest_rate": "8.25", "tenure": "12"}


def body(**fields: str | None) -> str:
    """Return a right body but for some fields, given as they are written; None leaves one out."""
    written = {name: text for name, text in (FIELDS | fields).items() if text is not None}
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in written.items()) + "}"


def parse(body: str | None, **event: Any) -> LoanApplication:
    return parse_application({"routeKey": "POST /check-eligibility", "body": body, "isBase64Encoded": False} | event)


def breaches(body: str) -> dict[str, str]:
    """Return what is wrong with a body, by pointer."""
    with pytest.raises(InvalidRequestError) as refusal:
        parse(body)
    pointers = [error.pointer for error in refusal.value.errors]
    assert len(set(pointers)) == len(pointers), "one breach a field"
    return dict(refusal.value.errors)


def test_a_right_body_is_an_application() -> None:
    application = parse(body())

    assert application == LoanApplication(1001, Decimal("100000.00"), Decimal("8.25"), 12)
    assert (type(application.customer_id), type(application.tenure)) == (int, int)


def test_an_integer_may_be_written_with_a_fraction_of_nothing() -> None:
    assert parse(body(customer_id="1001.0", tenure="1.2e1")) == parse(body())


@pytest.mark.parametrize(("written", "kept"), [("0.1", "0.10"), ("5", "5.00"), ("1e3", "1000.00"), ("7.10000", "7.10")])
def test_money_is_kept_to_the_cent_as_it_was_written(written: str, kept: str) -> None:
    assert str(parse(body(loan_amount=written)).loan_amount) == kept


@pytest.mark.parametrize("zero", ["0", "-0", "-0.0", "0e9", "0.00"])
def test_every_zero_rate_is_the_same_zero(zero: str) -> None:
    assert str(parse(body(interest_rate=zero)).interest_rate) == "0.00"


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [
        ("customer_id", "1", "4294967295"),
        ("loan_amount", "0.01", "9999999999.99"),
        ("interest_rate", "0", "100"),
        ("tenure", "1", "480"),
    ],
)
def test_the_bounds_themselves_are_within(field: str, lowest: str, highest: str) -> None:
    assert getattr(parse(body(**{field: lowest})), field) == Decimal(lowest)
    assert getattr(parse(body(**{field: highest})), field) == Decimal(highest)


@pytest.mark.parametrize(
    ("field", "text", "detail"),
    [
        ("customer_id", "0", "must be at least 1"),
        ("customer_id", "4294967296", "must be at most 4294967295"),
        ("customer_id", "1.5", "must be an integer"),
        ("customer_id", "true", "must be an integer"),
        ("customer_id", '"1001"', "must be an integer"),
        ("customer_id", "null", "must be an integer"),
        ("customer_id", None, "is missing"),
        ("loan_amount", "0", "must be greater than 0"),
        ("loan_amount", "-0.01", "must be greater than 0"),
        ("loan_amount", "10000000000", "must be at most 9999999999.99"),
        ("loan_amount", "1e999", "must be at most 9999999999.99"),
        ("loan_amount", "1e9999999999999999999", "must be at most 9999999999.99"),  # beyond any Decimal
        ("loan_amount", "0.001", "must have at most 2 decimals"),
        ("loan_amount", "1e-999", "must have at most 2 decimals"),
        ("loan_amount", '"5"', "must be a number"),
        ("loan_amount", "false", "must be a number"),
        ("loan_amount", "[5]", "must be a number"),
        ("loan_amount", None, "is missing"),
        ("interest_rate", "-0.01", "must be at least 0"),
        ("interest_rate", "100.01", "must be at most 100"),
        ("interest_rate", "8.255", "must have at most 2 decimals"),
        ("interest_rate", "true", "must be a number"),
        ("interest_rate", None, "is missing"),
        ("tenure", "0", "must be at least 1"),
        ("tenure", "481", "must be at most 480"),
        ("tenure", "12.5", "must be an integer"),
        ("tenure", "{}", "must be an integer"),
        ("tenure", None, "is missing"),
    ],
)
def test_a_field_out_of_bounds_is_named_with_the_bound(field: str, text: str | None, detail: str) -> None:
    assert breaches(body(**{field: text})) == {f"/{field}": detail}


def test_every_breach_is_listed_at_once() -> None:
    wrong = '{"customer_id": 0, "loan_amount": "5", "tenure": 481, "amount": 5}'

    assert breaches(wrong) == {
        "/amount": "is not a known field",
        "/customer_id": "must be at least 1",
        "/loan_amount": "must be a number",
        "/interest_rate": "is missing",
        "/tenure": "must be at most 480",
    }


@pytest.mark.parametrize(
    ("name", "pointer"), [("a/b", "/a~1b"), ("m~n", "/m~0n"), ("~1", "/~01"), ("", "/"), ("ä", "/ä")]
)
def test_an_unknown_name_is_escaped_in_its_pointer(name: str, pointer: str) -> None:
    assert breaches(body(**{name: "1"})) == {pointer: "is not a known field"}


@pytest.mark.parametrize("text", ["[]", "5", '"text"', "null", "true"])
def test_a_body_that_is_no_object_is_reported_once(text: str) -> None:
    assert breaches(text) == {"": "must be an object"}


def test_a_breach_is_a_pointer_and_a_detail() -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse(body(tenure="0"))

    assert refusal.value.errors == [FieldError(pointer="/tenure", detail="must be at least 1")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "The request has no body."),
        ("", "The request has no body."),
        ("{", "The body is not valid JSON."),
        (body() + "x", "The body is not valid JSON."),
        (body(tenure="012"), "The body is not valid JSON."),
        (body(tenure="NaN"), "NaN is not valid JSON."),
        (body(loan_amount="Infinity"), "Infinity is not valid JSON."),
        (body(loan_amount="-Infinity"), "-Infinity is not valid JSON."),
        (body()[:-1] + ',"tenure":12}', "The body repeats a name within one object."),
        (body(other='{"a":1,"a":1}'), "The body repeats a name within one object."),
        (body().ljust(MAX_BODY_BYTES + 1), "The body is larger than 8192 bytes."),
        ("ä" * (MAX_BODY_BYTES // 2 + 1), "The body is larger than 8192 bytes."),
        ("\ud800", "The body is not text in UTF-8."),
        (body(**{"\ud800": "1"}), "A name in the body is not text in UTF-8."),
    ],
)
def test_what_is_not_one_json_document_of_a_sane_size_is_malformed(text: str | None, message: str) -> None:
    with pytest.raises(MalformedBodyError) as refusal:
        parse(text)

    assert str(refusal.value) == message


def test_a_body_that_nests_deeper_than_its_decoder_can_follow_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    """How deep that is depends on the Python: from 3.13 on 8 KiB of brackets are no longer enough."""

    def follow(text: str) -> Any:
        return follow(text)

    monkeypatch.setattr(requests, "_decode", follow)

    with pytest.raises(MalformedBodyError, match=r"^The body is nested too deeply\.$"):
        parse("[")


def test_an_event_without_a_body_has_none() -> None:
    with pytest.raises(MalformedBodyError, match="no body"):
        parse_application({"routeKey": "POST /check-eligibility", "isBase64Encoded": False})


def test_a_body_in_base64_is_the_same_body() -> None:
    encoded = b64encode(body().encode()).decode()

    assert parse(encoded, isBase64Encoded=True) == parse(body())


@pytest.mark.parametrize("encoded", ["%%%", "e30", b64encode(b"\xff{}").decode()])
def test_a_body_that_is_not_text_in_base64_is_malformed(encoded: str) -> None:
    with pytest.raises(MalformedBodyError, match="not text in UTF-8"):
        parse(encoded, isBase64Encoded=True)


def test_the_size_counts_after_base64() -> None:
    largest = b64encode(body().ljust(MAX_BODY_BYTES).encode()).decode()
    too_large = b64encode(body().ljust(MAX_BODY_BYTES + 1).encode()).decode()

    assert parse(largest, isBase64Encoded=True) == parse(body())
    with pytest.raises(MalformedBodyError, match="larger than 8192 bytes"):
        parse(too_large, isBase64Encoded=True)


def test_the_default_route_has_no_operation() -> None:
    http = {"method": "GET", "path": "/loans"}

    with pytest.raises(RouteNotFoundError) as refusal:
        parse(body(), routeKey="$default", requestContext={"http": http})

    assert str(refusal.value) == "There is no GET /loans."


def parse_keyed(key: str | None, authorizer: dict[str, Any] | None = None) -> LoanRequest:
    """Return the request in an event with this Idempotency-Key, from this caller."""
    event = {
        "routeKey": "POST /create-loan",
        "headers": {"content-type": "application/json"} | ({} if key is None else {"idempotency-key": key}),
        "requestContext": {} if authorizer is None else {"authorizer": authorizer},
        "body": body(),
    }
    return parse_loan_request(event, "request-1")


def test_a_loan_request_is_an_application_with_the_requests_id() -> None:
    request = parse_keyed(None)

    assert request == LoanRequest(parse(body()), "request-1", ())


def test_without_headers_there_is_no_key() -> None:
    request = parse_loan_request({"routeKey": "POST /create-loan", "body": body()}, "request-1")

    assert request.idempotency_key is None


@pytest.mark.parametrize("key", ["k", "k" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324", "!", "~", '"quoted"', "a b"])
def test_a_key_of_printable_ascii_is_taken(key: str) -> None:
    idempotency_key = parse_keyed(key).idempotency_key

    assert idempotency_key is not None
    assert len(idempotency_key) == 32


@pytest.mark.parametrize("key", ["", "k" * 256, "kéy", "k\n", "k\t", "\x7f", "k\x00"])
def test_any_other_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_keyed(key)

    assert refusal.value.errors == [FieldError("Idempotency-Key", "must be 1 to 255 printable ASCII characters")]


def test_a_wrong_key_is_listed_beside_the_wrong_fields() -> None:
    event = {"routeKey": "POST /create-loan", "headers": {"idempotency-key": ""}, "body": body(tenure="0")}

    with pytest.raises(InvalidRequestError) as refusal:
        parse_loan_request(event, "request-1")

    assert [error.pointer for error in refusal.value.errors] == ["/tenure", "Idempotency-Key"]


JWT = {"jwt": {"claims": {"iss": "https://login.example", "sub": "clerk-7"}, "scopes": None}}
OTHER_JWT = {"jwt": {"claims": {"iss": "https://login.example", "sub": "clerk-8"}, "scopes": None}}
OTHER_ISSUER = {"jwt": {"claims": {"iss": "https://other.example", "sub": "clerk-7"}, "scopes": None}}
IAM = {"iam": {"userId": "AROAEXAMPLE:session-1", "accountId": "123456789012"}}
OTHER_IAM = {"iam": {"userId": "AROAOTHER:session-1", "accountId": "123456789012"}}
IAM_USER = {"iam": {"userId": "AIDAEXAMPLE", "accountId": "123456789012"}}  # has no sessions


def test_the_same_key_of_the_same_caller_is_the_same() -> None:
    assert parse_keyed("k") == parse_keyed("k")
    assert parse_keyed("k", JWT) == parse_keyed("k", JWT)


def test_one_role_in_two_sessions_is_one_caller() -> None:
    next_session = {"iam": {"userId": "AROAEXAMPLE:session-2", "accountId": "123456789012"}}

    assert parse_keyed("k", IAM) == parse_keyed("k", next_session)


@pytest.mark.parametrize(
    ("authorizer", "principal"),
    [
        (None, ""),
        (JWT, "jwt https://login.example clerk-7"),
        (IAM, "iam AROAEXAMPLE"),
        (IAM_USER, "iam AIDAEXAMPLE"),
    ],
)
def test_a_key_is_kept_as_it_always_was(authorizer: dict[str, Any] | None, principal: str) -> None:
    """A client may repeat a request after an upgrade: its key must still be found."""
    assert parse_keyed("k", authorizer).idempotency_key == sha256(f"{principal}\nk".encode()).digest()


def test_without_a_context_the_caller_is_anonymous() -> None:
    event = {"routeKey": "POST /create-loan", "headers": {"idempotency-key": "k"}, "body": body()}

    assert parse_loan_request(event, "request-1") == parse_keyed("k")


def test_keys_and_callers_do_not_meet() -> None:
    callers = [None, JWT, OTHER_JWT, OTHER_ISSUER, IAM, OTHER_IAM, IAM_USER]
    keys = {parse_keyed(key, caller).idempotency_key for key in ("k", "K", "k2") for caller in callers}

    assert len(keys) == 21
