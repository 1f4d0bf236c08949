import json
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from lending import requests
from lending.caller import admitted
from lending.domain.loans import LoanApplication, LoanRequest
from lending.idempotency import normalised
from lending.request_errors import (
    BodyTooLargeError,
    ContentEncodingError,
    FieldError,
    InvalidRequestError,
    MalformedBodyError,
    RouteNotFoundError,
    ScopeMissingError,
    UnknownCallerError,
)
from lending.requests import MAX_BODY_BYTES, loan_application, parse_application, parse_loan_request

FIELDS = {"customer_id": "1001", "loan_amount": "100000.00", "interest_rate": "8.25", "tenure": "12"}


def body(**fields: str | None) -> str:
    """Return a right body but for some fields, given as they are written; None leaves one out."""
    written = {name: text for name, text in (FIELDS | fields).items() if text is not None}
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in written.items()) + "}"


def parse(body: str | None, **event: Any) -> LoanApplication:
    whole = {"routeKey": "POST /check-eligibility", "body": body, "isBase64Encoded": False} | event
    admitted(whole)
    return parse_application(whole)


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
    assert getattr(parse(body(**{"tenure": "1", field: lowest})), field) == Decimal(lowest)
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
        ("\ud800", "The body is not text in UTF-8."),
        (body(**{"\ud800": "1"}), "A name in the body is not text in UTF-8."),
    ],
)
def test_what_is_not_one_json_document_is_malformed(text: str | None, message: str) -> None:
    with pytest.raises(MalformedBodyError) as refusal:
        parse(text)

    assert str(refusal.value) == message


@pytest.mark.parametrize("text", [body().ljust(MAX_BODY_BYTES + 1), "ä" * (MAX_BODY_BYTES // 2 + 1)])
def test_a_body_of_more_bytes_than_an_application_needs_is_too_large(text: str) -> None:
    with pytest.raises(BodyTooLargeError, match=r"^The body is larger than 8192 bytes\.$"):
        parse(text)


@pytest.mark.parametrize("name", ["content-encoding", "Content-Encoding"])
def test_a_body_must_come_as_it_is(name: str) -> None:
    for encoding in ("gzip", "br", "gzip, identity"):
        with pytest.raises(ContentEncodingError, match=r"^The body must come as it is, without a Content-Encoding\.$"):
            parse(body(), headers={name: encoding})
    assert parse(body(), headers={name: "Identity"}) == parse(body(), headers={name: ""}) == parse(body())


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
    with pytest.raises(BodyTooLargeError):
        parse(too_large, isBase64Encoded=True)


def test_the_default_route_has_no_operation() -> None:
    http = {"method": "GET", "path": "/loans"}

    with pytest.raises(RouteNotFoundError) as refusal:
        parse(body(), routeKey="$default", requestContext={"http": http})

    assert str(refusal.value) == "There is no GET /loans."


@pytest.mark.parametrize(
    ("amount", "rate", "tenure", "enough"),
    [
        ("2.40", "0", "480", False),  # 0.005 a month rounds to the even cent
        ("2.41", "0", "480", True),
        ("2.40", "0.01", "480", True),
        ("0.01", "0", "1", True),
        ("0.01", "0", "2", False),
        ("0.01", "100", "3", False),
        ("0.01", "100", "480", False),
        ("0.05", "100", "480", False),
        ("0.06", "100", "480", True),
    ],
)
def test_an_amount_that_would_be_repaid_with_nothing_is_refused(
    amount: str, rate: str, tenure: str, *, enough: bool
) -> None:
    text = body(loan_amount=amount, interest_rate=rate, tenure=tenure)

    if enough:
        assert str(parse(text).loan_amount) == amount
    else:
        assert breaches(text) == {"/loan_amount": "must be large enough for an installment of 0.01"}


def parse_loan(
    text: str, headers: dict[str, str] | None = None, authorizer: dict[str, Any] | None = None
) -> LoanRequest:
    """Return the request in the event of a create-loan."""
    event = {
        "routeKey": "POST /create-loan",
        "headers": {"content-type": "application/json"} | (headers or {}),
        "requestContext": {} if authorizer is None else {"authorizer": authorizer},
        "body": text,
    }
    return parse_loan_request(event, "request-1", admitted(event))


def parse_keyed(
    key: str | None, authorizer: dict[str, Any] | None = None, name: str = "idempotency-key"
) -> LoanRequest:
    """Return the request in an event with this Idempotency-Key, from this caller."""
    return parse_loan(body(), {} if key is None else {name: key}, authorizer)


def test_a_loan_request_is_an_application_with_the_requests_id() -> None:
    request = parse_keyed(None)

    assert request == LoanRequest(parse(body()), "request-1")
    assert request.idempotency_key is None


@pytest.mark.parametrize(("written", "kept"), [("9", "9.00"), ("-0.0", "0.00"), ("100", "100.00"), (None, None)])
def test_a_borrower_may_say_how_much_interest_is_too_much(written: str | None, kept: str | None) -> None:
    rate = parse_loan(body(highest_interest_rate=written)).application.highest_interest_rate

    assert (None if rate is None else str(rate)) == kept


@pytest.mark.parametrize(
    ("written", "detail"),
    [
        ("100.01", "must be at most 100"),
        ("-1", "must be at least 0"),
        ("9.001", "must have at most 2 decimals"),
        ("null", "must be a number"),
        ('"9"', "must be a number"),
    ],
)
def test_the_highest_rate_has_the_bounds_of_a_rate(written: str, detail: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_loan(body(highest_interest_rate=written))

    assert refusal.value.errors == [FieldError("/highest_interest_rate", detail)]


def test_a_check_knows_no_highest_rate() -> None:
    """Its answer says the rate; there is nothing to refuse."""
    assert breaches(body(highest_interest_rate="9")) == {"/highest_interest_rate": "is not a known field"}


def test_without_headers_there_is_no_key() -> None:
    assert parse_loan_request({"body": body()}, "request-1", admitted({})).idempotency_key is None


@pytest.mark.parametrize("key", ["XkX", "k-", "'k'"])
def test_of_a_key_nothing_but_spaces_and_quotes_is_cut_off(key: str) -> None:
    assert normalised(f" {key} ") == normalised(f'"{key}"') == key


@pytest.mark.parametrize("key", ["k", "k" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324", "!", "~", '"quoted"', "a b"])
def test_a_key_of_printable_ascii_is_taken(key: str) -> None:
    idempotency_key = parse_keyed(key).idempotency_key

    assert idempotency_key is not None
    assert len(idempotency_key) == 32


@pytest.mark.parametrize("key", ["", "k" * 256, "kéy", "k\n", "k\t", "\x7f", "k\x00", '""', f'"{"k" * 256}"', " ", ","])
def test_any_other_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_keyed(key)

    assert refusal.value.errors == [FieldError("Idempotency-Key", "must be 1 to 255 printable ASCII characters")]


@pytest.mark.parametrize("name", ["idempotency-key", "Idempotency-Key", "IDEMPOTENCY-KEY"])
@pytest.mark.parametrize(
    ("header", "key"),
    [
        *[(form, "k") for form in ("k", '"k"', "k,k", "k, k", "k,k,k", '"k","k"', '"k", k', " k ")],
        *[(form, "k" * 255) for form in (f'"{"k" * 255}"', ", ".join(["k" * 255] * 9))],
        *[('"a,b"', "a,b"), ('"a,b", "a,b"', "a,b"), ('" k "', " k "), (r'"a\"b"', 'a"b'), (r'"a\\b"', r"a\b")],
        *[('a"b', 'a"b'), ('"', '"'), ('"a', '"a'), ('"a"b', '"a"b'), (r"a\b", r"a\b"), (r'"a\nb"', r"a\nb")],
    ],
)
def test_a_key_is_one_key_in_whatever_form_it_arrives(header: str, key: str, name: str) -> None:
    """Twice in one request, in the quotes of the standard's draft, under a name in any case."""
    expected = sha256(f"iam AROAEXAMPLE\n{key}".encode()).digest()

    assert parse_keyed(header, IAM, name).idempotency_key == expected


def test_a_header_that_came_twice_under_two_names_is_one_header() -> None:
    both = {"idempotency-key": "k", "Idempotency-Key": "k"}

    assert parse_loan(body(), both).idempotency_key == parse_keyed("k").idempotency_key


@pytest.mark.parametrize("header", ["a,b", "k,K", '"a","b"', "a,", ",a", '"a,b', 'a,"a,b"', "k,,k", '"a"b,c'])
def test_more_than_one_key_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_keyed(header)

    wanted = "must be one key; one with a comma in it needs quotes"
    assert refusal.value.errors == [FieldError("Idempotency-Key", wanted)]


def test_a_long_header_is_judged_at_once() -> None:
    for header in ('"' * 8000, " " * 8000, '"\\' * 4000, "," * 8000, ' "' * 4000, '"a"' * 2000):
        with pytest.raises(InvalidRequestError):
            parse_keyed(header)


def test_a_wrong_key_is_listed_beside_the_wrong_fields() -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_loan(body(tenure="0"), {"idempotency-key": ""})

    assert [error.pointer for error in refusal.value.errors] == ["/tenure", "Idempotency-Key"]


ISSUER = "https://login.example"


def jwt(**claims: str) -> dict[str, Any]:
    """Return what the gateway says of a bearer token."""
    return {"jwt": {"claims": {"iss": ISSUER} | claims, "scopes": None}}


def signed(user_id: str, identity_id: str | None = None) -> dict[str, Any]:
    """Return what the gateway says of a signature."""
    identity = None if identity_id is None else {"identityId": identity_id, "identityPoolId": "eu-west-1:pool"}
    return {"iam": {"userId": user_id, "accountId": "123456789012", "cognitoIdentity": identity}}


IAM = signed("AROAEXAMPLE:session-1")

# Each is a caller of their own.
CALLERS = [
    None,
    jwt(sub="clerk-7"),
    jwt(sub="clerk-8"),
    jwt(sub="clerk-7", iss="https://other.example"),
    jwt(client_id="batch"),
    jwt(client_id="portal"),
    jwt(azp="letters"),
    jwt(client_id="batch", iss="https://other.example"),
    IAM,
    signed("AROAOTHER:session-1"),
    signed("AIDAEXAMPLE"),
    signed("123456789012"),
    signed("123456789012:bob"),
    signed("123456789012:eve"),
    signed("AROAEXAMPLE:CognitoIdentityCredentials", "eu-west-1:asha"),
    signed("AROAEXAMPLE:CognitoIdentityCredentials", "eu-west-1:ravi"),
]


def test_the_same_key_of_the_same_caller_is_the_same() -> None:
    assert all(parse_keyed("k", caller) == parse_keyed("k", caller) for caller in CALLERS)


def test_one_role_in_two_sessions_is_one_caller() -> None:
    assert parse_keyed("k", IAM) == parse_keyed("k", signed("AROAEXAMPLE:session-2"))


def test_a_token_that_names_a_subject_and_a_client_is_its_subjects() -> None:
    assert parse_keyed("k", jwt(sub="clerk-7", client_id="batch")) == parse_keyed("k", jwt(sub="clerk-7"))


def test_without_a_context_the_caller_is_anonymous() -> None:
    event = {"routeKey": "POST /create-loan", "headers": {"idempotency-key": "k"}, "body": body()}

    assert parse_loan_request(event, "request-1", admitted(event)) == parse_keyed("k")


def test_keys_and_callers_do_not_meet() -> None:
    keys = {parse_keyed(key, caller).idempotency_key for key in ("k", "K", "k2") for caller in CALLERS}

    assert len(keys) == 3 * len(CALLERS)


@pytest.mark.parametrize(
    ("caller", "scope"),
    [
        (None, ""),
        (jwt(sub="clerk-7"), f"jwt {ISSUER} clerk-7"),
        (IAM, "iam AROAEXAMPLE"),
        (signed("AIDAEXAMPLE"), "iam AIDAEXAMPLE"),
        (signed("123456789012"), "iam 123456789012"),
    ],
)
def test_what_was_stored_for_a_key_stays_valid(caller: dict[str, Any] | None, scope: str) -> None:
    """Byte for byte, and it is all that is looked for."""
    request = parse_keyed("k", caller)

    assert request.idempotency_key == sha256(f"{scope}\nk".encode()).digest()
    assert request.earlier_idempotency_key is None


@pytest.mark.parametrize(
    ("header", "caller", "scope"),
    [
        ('"k"', None, ""),
        ("k,k", IAM, "iam AROAEXAMPLE"),
        ("k", jwt(client_id="batch"), f"jwt {ISSUER} None"),
        ("k", signed("123456789012:bob"), "iam 123456789012"),
        ("k", signed("AROAEXAMPLE:CognitoIdentityCredentials", "eu-west-1:asha"), "iam AROAEXAMPLE"),
        ('"k"', jwt(azp="batch"), f"jwt {ISSUER} None"),
    ],
)
def test_where_the_form_of_a_key_or_a_caller_has_changed_both_are_looked_for(
    header: str, caller: dict[str, Any] | None, scope: str
) -> None:
    """A request from before the change that is repeated after it lends once."""
    request = parse_keyed(header, caller)

    assert request.idempotency_key == parse_keyed("k", caller).idempotency_key
    assert request.earlier_idempotency_key == sha256(f"{scope}\n{header}".encode()).digest()


@pytest.mark.parametrize("caller", [jwt(), jwt(sub=""), {"lambda": {"user": "asha"}}], ids=str)
def test_who_cannot_be_told_apart_is_refused(caller: dict[str, Any]) -> None:
    with pytest.raises(UnknownCallerError):
        parse_keyed("k", caller)
    with pytest.raises(UnknownCallerError):
        parse(body(), requestContext={"authorizer": caller})


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "loans.write"},
        {"scope": "openid loans.write"},
        {"scp": "[openid loans.write]"},
        {"scp": "loans.write"},
    ],
    ids=str,
)
def test_a_token_with_the_scope_is_let_in(claims: dict[str, str]) -> None:
    event = {"requestContext": {"authorizer": jwt(sub="clerk-7", **claims)}}

    assert admitted(event, "loans.write") == admitted(event)


@pytest.mark.parametrize(
    "caller",
    [None, IAM, jwt(sub="clerk-7"), jwt(sub="clerk-7", scope="loans.read"), jwt(sub="clerk-7", scope="loans.write2")],
    ids=str,
)
def test_who_lacks_the_scope_is_refused(caller: dict[str, Any] | None) -> None:
    with pytest.raises(ScopeMissingError, match=r"^The token lacks the scope loans\.write\.$"):
        admitted({"requestContext": {"authorizer": caller}}, "loans.write")


def test_a_document_of_numbers_is_an_application_within_the_same_bounds() -> None:
    numbers = {name: Decimal(value) for name, value in FIELDS.items()} | {"highest_interest_rate": Decimal("9.5")}

    assert loan_application(numbers) == parse_loan(body(highest_interest_rate="9.5")).application
    with pytest.raises(InvalidRequestError) as refusal:
        loan_application(numbers | {"tenure": Decimal(0)})
    assert [error.pointer for error in refusal.value.errors] == ["/tenure"]
