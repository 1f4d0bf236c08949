"""create-loan accepts the keys that openapi.yaml accepts, as they are and in the other forms of which it speaks."""

from hypothesis import given
from hypothesis import strategies as st

from lending.caller import admitted
from lending.domain.loans import LoanRequest
from lending.request_errors import InvalidRequestError
from lending.requests import parse_loan_request
from testkit.events import post_event
from tests.contract.bodies import VALID_BODY
from tests.contract.contract import contract, validator
from tests.contract.oddities import idempotency_keys
from tests.contract.thoroughly import THOROUGHLY

KEY_SCHEMA = contract()["components"]["parameters"]["Idempotency-Key"]["schema"]
key_validator = validator(KEY_SCHEMA)

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)
plain_keys = st.from_regex(KEY_SCHEMA["pattern"].replace("$", r"\Z")).filter(lambda key: len(key) <= 255)


def parsed(body: str, key: str) -> LoanRequest:
    """Return the request with this body and key."""
    event = post_event("/create-loan", body, **{"idempotency-key": key})
    return parse_loan_request(event, "a-request-id", admitted(event))


def stored(key: str) -> bytes | None:
    """Return what is stored for a key."""
    return parsed(VALID_BODY, key).idempotency_key


def wrong_places(body: str, key: str) -> set[str]:
    """Return the pointers to everything that the handler finds wrong."""
    try:
        parsed(body, key)
    except InvalidRequestError as error:
        return {field_error.pointer for field_error in error.errors}
    return set()


def quoted(key: str) -> str:
    """Return a key in the form of the IETF's draft, an RFC 8941 string."""
    return '"' + key.replace("\\", r"\\").replace('"', r"\"") + '"'


@THOROUGHLY
@given(key=plain_keys)
def test_a_plain_key_is_the_same_in_every_form(key: str) -> None:
    forms = [f"{key},{key}", f"{key}, {key}", f" {key}", quoted(key), f"{quoted(key)}, {key}"]

    assert {stored(form) for form in forms} == {stored(key)}


@THOROUGHLY
@given(key=printable)
def test_any_printable_key_can_come_in_quotes(key: str) -> None:
    assert stored(quoted(key)) == stored(f"{quoted(key)},{quoted(key)}")


@THOROUGHLY
@given(first=printable, second=printable)
def test_two_keys_are_never_taken_for_one(first: str, second: str) -> None:
    if first == second:
        return

    assert stored(quoted(first)) != stored(quoted(second))
    assert wrong_places(VALID_BODY, f"{quoted(first)}, {quoted(second)}") == {"Idempotency-Key"}


@THOROUGHLY
@given(key=idempotency_keys | st.text())
def test_what_is_not_printable_or_too_long_is_refused(key: str) -> None:
    if key_validator.is_valid(key):
        assert wrong_places(VALID_BODY, key) == set()
    elif any(not " " <= char <= "~" for char in key):
        assert wrong_places(VALID_BODY, key) == {"Idempotency-Key"}
    else:  # printable, but too long, or a form of a plain key, or more than one
        assert wrong_places(VALID_BODY, key) == set() or set(',"') & set(key) or len(key) > 255 or not key.strip()


def test_a_wrong_key_is_named_beside_wrong_fields() -> None:
    assert wrong_places('{"tenure": 0, "x": 1}', "\t") >= {"Idempotency-Key", "/tenure", "/x", "/loan_amount"}
