"""The served API keeps the contract under thousands of generated requests.

schemathesis derives them from openapi.yaml; the strategies of `oddities` make whatever else HTTP allows.
`CONTRACT_EXAMPLES=10000 pytest -s tests/contract/test_served.py` sends more and counts the answers by status.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import redis
import schemathesis
from hypothesis import given
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from local.servers.server import Server
from testkit.database import Database
from testkit.served import TIMEOUT_SECONDS, HttpRequest, send, served
from tests.contract.conformance import assert_conforms
from tests.contract.contract import CONTRACT_PATH
from tests.contract.oddities import http_requests
from tests.contract.thoroughly import THOROUGHLY

MAX_CUSTOMER_ID = 4294967295

CHECKS = {
    # An HTTP API matches method and path together. Whatever fits no route goes to $default: 404, not 405.
    "unsupported_method": {"enabled": False},
}

schema = schemathesis.openapi.from_path(CONTRACT_PATH, config=schemathesis.Config.from_dict({"checks": CHECKS}))


@schema.hook
def map_body(_context: schemathesis.HookContext, body: object) -> object:
    """Ask mostly for customers of the sample portfolio, 1001 to 2000. Random ids would rarely be one of theirs."""
    if not isinstance(body, dict):
        return body
    customer_id = body.get("customer_id")
    if isinstance(customer_id, int) and 3000 < customer_id <= MAX_CUSTOMER_ID:
        return body | {"customer_id": 1001 + customer_id % 1000}
    return body


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
    # A repeated key makes a valid request wrong, and no schema can express that.
    mismatch = "/problems/idempotency-mismatch" in answer.text
    case.validate_response(answer, excluded_checks=[positive_data_acceptance] if mismatch else [])
    headers = {name: ", ".join(values) for name, values in answer.headers.items()}
    response = {"statusCode": answer.status_code, "headers": headers, "body": answer.text}
    assert_conforms(case.method, case.path, response)


@THOROUGHLY
@given(request=http_requests)
def test_every_legal_request_is_answered_by_the_contract(
    request: HttpRequest, address: str, counts: Counter[tuple[str, int]]
) -> None:
    response = send(address, request)

    path = unquote(request.target.partition("#")[0].partition("?")[0])
    counts[f"{request.method} {path[:30]}", response["statusCode"]] += 1
    if request.method == "HEAD":  # answered like any unknown route, but without the body
        assert response["statusCode"] == 404
    else:
        assert_conforms(request.method, path, response)
