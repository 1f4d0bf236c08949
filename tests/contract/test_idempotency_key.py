"""create-loan accepts exactly the Idempotency-Keys that openapi.yaml accepts."""

from hypothesis import given
from hypothesis import strategies as st

from lending.request_errors import InvalidRequestError
from lending.requests import parse_loan_request
from testkit.events import post_event
from tests.contract.bodies import VALID_BODY
from tests.contract.contract import contract, validator
from tests.contract.oddities import idempotency_keys
from tests.contract.thoroughly import THOROUGHLY

key_validator = validator(contract()["components"]["parameters"]["Idempotency-Key"]["schema"])


def wrong_places(body: str, key: str) -> set[str]:
    """Return the pointers to everything that the handler finds wrong."""
    try:
        parse_loan_request(post_event("/create-loan", body, **{"idempotency-key": key}), "a-request-id")
    except InvalidRequestError as error:
        return {field_error.pointer for field_error in error.errors}
    return set()


@THOROUGHLY
@given(key=idempotency_keys | st.text())
def test_handler_accepts_what_the_contract_accepts(key: str) -> None:
    places = wrong_places(VALID_BODY, key)

    assert places == (set() if key_validator.is_valid(key) else {"Idempotency-Key"})


def test_a_wrong_key_is_named_beside_wrong_fields() -> None:
    assert wrong_places('{"tenure": 0, "x": 1}', "\t") >= {"Idempotency-Key", "/tenure", "/x", "/loan_amount"}
