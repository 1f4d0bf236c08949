"""The served API keeps the contract under thousands of generated requests.

schemathesis derives them from openapi.yaml; the strategies of `oddities` make whatever else HTTP allows.
`CONTRACT_EXAMPLES=10000 pytest -s tests/contract/test_served.py` sends more and counts the answers by status.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
import redis
import schemathesis
from hypothesis import given
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from lending.idempotency import KeyFormError, normalised
from lending.requests import TOO_SMALL
from local.front.pages import is_page
from local.servers.server import Server
from testkit.database import Database
from testkit.served import TIMEOUT_SECONDS, HttpRequest, send, served
from tests.contract.conformance import assert_conforms
from tests.contract.contract import CONTRACT_PATH
from tests.contract.oddities import http_requests
from tests.contract.test_idempotency_key import key_validator
from tests.contract.thoroughly import THOROUGHLY
from tests.contract.verdict import VALIDATORS

MAX_CUSTOMER_ID = 4294967295

CHECKS = {
    # An HTTP API matches method and path together. Whatever fits no route goes to $default: 404, not 405.
    "unsupported_method": {"enabled": False},
}

schema = schemathesis.openapi.from_path(CONTRACT_PATH, config=schemathesis.Config.from_dict({"checks": CHECKS}))


@schema.hook
def map_body(_context: schemathesis.HookContext, body: object) -> object:
    """Ask mostly for customers of the sample portfolio, 1001 to 2000. Random ids would rarely be one of theirs.

    And with two decimals, which the contract asks for in prose.
    """
    if not isinstance(body, dict):
        return body
    customer_id = body.get("customer_id")
    if isinstance(customer_id, int) and 3000 < customer_id <= MAX_CUSTOMER_ID:
        body = body | {"customer_id": 1001 + customer_id % 1000}
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in body.items()}
    # A body that is meant to be wrong stays wrong: 100.001 is no rate, and 100.00 is one.
    judge = VALIDATORS["/create-loan"].is_valid
    return rounded if judge(rounded) == judge(body) else body


@pytest.fixture(scope="module")
def address(
    migrated_database: Database, session_redis: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Serve the API on the sample portfolio and an empty cache; return its address."""
    migrated_database.clear()
    with redis.Redis(host=session_redis.host, port=session_redis.port) as client:
        client.flushall()
    with served(
        migrated_database.environment | session_redis.environment, tmp_path_factory.mktemp("served")
    ) as address:
        yield address


@pytest.fixture(scope="module")
def counts(pytestconfig: pytest.Config) -> Iterator[Counter[tuple[str, int]]]:
    """Return a counter of responses by operation and status; `pytest -s` shows it."""
    counts: Counter[tuple[str, int]] = Counter()
    yield counts
    terminal = pytestconfig.get_terminal_writer()
    terminal.line()
    for (asked, status), count in sorted(counts.items()):
        terminal.line(f"{count:7} answers {status} to {asked}")


@schema.parametrize()
@THOROUGHLY
def test_requests_made_from_the_contract_are_answered_by_it(
    case: Case[Any], address: str, counts: Counter[tuple[str, int]]
) -> None:
    answer = case.call(base_url=address, timeout=TIMEOUT_SECONDS)

    counts[f"{case.method} {case.path} from the contract", answer.status_code] += 1
    case.validate_response(answer, excluded_checks=_what_no_schema_can_say(case, answer.text))
    headers = {name: ", ".join(values) for name, values in answer.headers.items()}
    response = {"statusCode": answer.status_code, "headers": headers, "body": answer.text}
    assert_conforms(case.method, case.path, response)


def _what_no_schema_can_say(case: Case[Any], answer: str) -> list[CheckFunction]:
    """Return the checks that take prose of the contract for a mistake of the service."""
    excluded: list[CheckFunction] = []
    # A key that came before, or an amount whose installment is 0.00, makes a valid request a wrong one.
    if "/problems/idempotency-mismatch" in answer or TOO_SMALL in answer:
        excluded.append(positive_data_acceptance)
    # A key in quotes, or that came twice, is right too; the schema has its plain form.
    headers: Mapping[str, object] = case.headers or {}
    if _is_key_in_another_form(headers.get("Idempotency-Key")):
        excluded.append(negative_data_rejection)
    return excluded


def _is_key_in_another_form(header: object) -> bool:
    try:
        return isinstance(header, str) and not key_validator.is_valid(header) and bool(normalised(header))
    except KeyFormError:
        return False


@THOROUGHLY
@given(request=http_requests)
def test_every_legal_request_is_answered_by_the_contract(
    request: HttpRequest, address: str, counts: Counter[tuple[str, int]]
) -> None:
    response = send(address, request)

    path = unquote(request.target.partition("#")[0].partition("?")[0])
    counts[f"{request.method} {path[:30]}", response["statusCode"]] += 1
    if is_page(request.method, path):
        return  # what `make run` shows beside the API; API Gateway has none of it
    if request.method == "HEAD":  # answered like any unknown route, but without the body
        assert response["statusCode"] == 404
    else:
        assert_conforms(request.method, path, response)
