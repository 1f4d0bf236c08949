"""The handlers accept exactly the bodies that openapi.yaml accepts, and report the same wrong fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.caller import admitted
from lending.request_errors import BodyTooLargeError, InvalidRequestError, MalformedBodyError
from lending.requests import parse_application, parse_loan_request
from testkit.events import post_event
from tests.contract.bodies import FIELDS, ODD_NUMBERS, OPTIONAL, VALID_BODY, bodies, valid_bodies
from tests.contract.contract import exact_json
from tests.contract.thoroughly import THOROUGHLY
from tests.contract.verdict import MALFORMED, SCHEMAS, TOO_LARGE, contract_verdict

VALID_BYTES = VALID_BODY.encode()

FIELDS_OF_A_LOAN = (*FIELDS, OPTIONAL)
TENURES = st.integers(1, 480) | st.integers(400, 480)


def parser_verdict(event: dict[str, Any]) -> str | set[str]:
    """Return the handlers' verdict on a body, in the same terms."""
    try:
        if event["rawPath"] == "/create-loan":
            parse_loan_request(event, "a-request-id", admitted(event))
        else:
            parse_application(event)
    except BodyTooLargeError:
        return TOO_LARGE
    except MalformedBodyError:
        return MALFORMED
    except InvalidRequestError as error:
        return {field_error.pointer for field_error in error.errors}
    return set()


@THOROUGHLY
@given(path=st.sampled_from(sorted(SCHEMAS)), body=bodies, in_base64=st.booleans())
def test_handlers_accept_what_the_contract_accepts(path: str, body: str, *, in_base64: bool) -> None:
    event = post_event(path, body.encode() if in_base64 else body)

    assert parser_verdict(event) == contract_verdict(path, body)


@THOROUGHLY
@given(path=st.sampled_from(sorted(SCHEMAS)), cents=st.integers(1, 500), rate=st.integers(0, 10000), tenure=TENURES)
def test_handlers_refuse_an_installment_of_nothing(path: str, cents: int, rate: int, tenure: int) -> None:
    amounts = f'"loan_amount": {cents / 100:.2f}, "interest_rate": {rate / 100:.2f}'
    body = f'{{"customer_id": 1001, {amounts}, "tenure": {tenure}}}'

    assert parser_verdict(post_event(path, body)) == contract_verdict(path, body)


@pytest.mark.parametrize("field", FIELDS_OF_A_LOAN)
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda number: number[:20])
def test_both_sides_of_every_bound_agree(field: str, number: str) -> None:
    values = {"customer_id": "1001", "loan_amount": "100000.00", "interest_rate": "8.00", "tenure": "12", field: number}
    body = "{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}"

    assert parser_verdict(post_event("/create-loan", body)) == contract_verdict("/create-loan", body)


@THOROUGHLY
@given(body=valid_bodies().filter(lambda body: not contract_verdict("/check-eligibility", body)))
def test_accepted_numbers_arrive_exactly(body: str) -> None:
    application = parse_application(post_event("/check-eligibility", body))

    fields = application._asdict()
    assert fields.pop("highest_interest_rate") is None
    assert fields == exact_json(body)
    assert not application.interest_rate.is_signed()  # -0 is allowed, and a zero
    assert isinstance(application.customer_id, int)
    assert isinstance(application.tenure, int)


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e99999999999999999999", "1e-99999999999999999999"])
@pytest.mark.parametrize("field", FIELDS_OF_A_LOAN)
def test_exponents_beyond_any_decimal_are_out_of_bounds(field: str, number: str) -> None:
    values = {"customer_id": "1001", "loan_amount": "100000.00", "interest_rate": "8.00", "tenure": "12", field: number}
    body = "{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}"

    assert parser_verdict(post_event("/create-loan", body)) == {f"/{field}"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="missing"),
        pytest.param(VALID_BYTES.replace(b"12}", b'12, "\xff": 1}'), id="no UTF-8"),
        pytest.param(VALID_BODY.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf" + VALID_BYTES, id="byte order mark"),
        pytest.param(b"[" * 8192, id="8192 brackets open"),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes | None) -> None:
    assert parser_verdict(post_event("/check-eligibility", body)) == MALFORMED


@pytest.mark.parametrize("body", [VALID_BYTES.rjust(8193), b'{"t\xc3\xa9":' + b"1" * 8185 + b"}"])
def test_a_byte_over_8_kib_is_too_large(body: bytes) -> None:
    """A byte, not a character."""
    assert parser_verdict(post_event("/check-eligibility", body)) == TOO_LARGE


@pytest.mark.parametrize("body", [b"[" * 4096 + b"]" * 4096, b'{"a":' * 1300 + b"1" + b"}" * 1300])
def test_nesting_is_refused_however_deep(body: bytes) -> None:
    """It is no application if the interpreter can parse that deep, and malformed if it cannot."""
    assert parser_verdict(post_event("/check-eligibility", body)) != set()


def test_a_body_of_8_kib_is_read() -> None:
    assert parser_verdict(post_event("/check-eligibility", VALID_BYTES.rjust(8192))) == set()


@pytest.mark.parametrize("body", ["%", "e30", "e30=\n", "ë", "e30===="])
def test_broken_base64_is_malformed(body: str) -> None:
    event = post_event("/check-eligibility", None) | {"body": body, "isBase64Encoded": True}

    assert parser_verdict(event) == MALFORMED


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "garbage"])
def test_the_body_is_checked_whatever_its_content_type(content_type: str) -> None:
    event = post_event("/check-eligibility", VALID_BODY, **{"content-type": content_type})

    assert parser_verdict(event) == set()
