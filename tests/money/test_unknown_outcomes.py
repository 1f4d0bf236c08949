"""After a COMMIT without a reply, the request finds out its outcome, or says that it could not."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain, repeat

import pytest
import redis

from lending import wiring
from local.front import application
from local.front.lambda_context import LambdaContext
from testkit.database import Database
from testkit.proxy import Action, Proxy
from testkit.service import use_patience
from tests.money.borrowers import APPLICATION, loans_of
from tests.money.conftest import CUSTOMER
from tests.money.http_front import Client
from tests.money.wire import commits, lends

BODY = {"customer_id": CUSTOMER} | APPLICATION

WITH_AND_WITHOUT_KEY = pytest.mark.parametrize("key", [None, "k1"])


def fail_first(proxy: Proxy, happens: Callable[[bytes], bool], action: Action) -> None:
    """Do this to the first such request, and nothing to the later ones."""
    actions = chain([action], repeat(Action.PASS))
    proxy.on_request = lambda piece: next(actions) if happens(piece) else Action.PASS


@WITH_AND_WITHOUT_KEY
@pytest.mark.parametrize("action", [Action.CUT, Action.CUT_REPLY])
def test_a_commit_cut_off_is_answered_with_the_loan_that_exists(
    client: Client, proxy: Proxy, database: Database, action: Action, key: str | None
) -> None:
    fail_first(proxy, commits, action)

    answer = client.create_loan(BODY, key)

    assert (answer.status, "idempotency-replayed" in answer.headers) == (201, False)
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: [answer.body["loan_id"]]}


@WITH_AND_WITHOUT_KEY
def test_a_commit_that_arrives_late_is_waited_for(
    client: Client, proxy: Proxy, database: Database, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """The handler has given up on its COMMIT, and asks on a new connection while the COMMIT is still on its way."""
    use_patience(monkeypatch, replace(wiring.patience, table_wait=0, lock_wait=1, database_reply=1.2))
    committed: list[bytes] = []

    def delay_first_commit(piece: bytes) -> Action:
        if commits(piece):
            committed.append(piece)
            if len(committed) == 1:
                time.sleep(1.5)
        return Action.PASS

    proxy.on_request = delay_first_commit

    answer = client.create_loan(BODY, key)

    assert answer.status == 201
    assert len(committed) == 1
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: [answer.body["loan_id"]]}


@pytest.mark.parametrize(("action", "lent"), [(Action.CUT_REPLY, True), (Action.CUT, False)])
def test_what_cannot_be_found_out_in_time_is_not_guessed(
    client: Client,
    proxy: Proxy,
    database: Database,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    action: Action,
    *,
    lent: bool,
) -> None:
    monkeypatch.setattr(application, "LambdaContext", partial(LambdaContext, timeout_seconds=4))
    gone = False

    def go_at_commit(piece: bytes) -> Action:
        nonlocal gone
        if gone:
            return Action.CUT
        gone = commits(piece)
        return action if gone else Action.PASS

    proxy.on_request = go_at_commit

    unknown = client.create_loan(BODY, "k1")
    marker = redis_client.get(f"credit_score:{CUSTOMER}")
    proxy.on_request = lambda _: Action.PASS
    again = client.create_loan(BODY, "k1")
    first, second = (json.loads(line) for line in capfd.readouterr().out.splitlines() if '"figures":' in line)

    assert (first["status"], first["approved"], first["loan_id"], first["figures"] is None) == (500, True, None, False)
    assert second["first_request_id"] == (first["request_id"] if lent else None)
    assert (unknown.status, unknown.body["type"]) == (500, "/problems/outcome-unknown")
    # While the loan may exist, nobody may cache a score without it.
    assert isinstance(marker, bytes)
    assert marker.startswith(b"write:")
    assert (again.status, "idempotency-replayed" in again.headers) == (201, lent)
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: [again.body["loan_id"]]}


def test_a_connection_lost_before_the_commit_is_replaced_once(client: Client, proxy: Proxy, database: Database) -> None:
    fail_first(proxy, lends, Action.CUT_REPLY)

    answer = client.create_loan(BODY)

    assert answer.status == 201
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: [answer.body["loan_id"]]}


def test_connections_lost_again_and_again_are_reported_and_leave_nothing(
    client: Client, proxy: Proxy, database: Database, redis_client: redis.Redis
) -> None:
    proxy.on_request = lambda piece: Action.CUT_REPLY if lends(piece) else Action.PASS

    answer = client.create_loan(BODY)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.body["type"] == "/problems/store-unavailable"
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: []}
    assert redis_client.exists(f"credit_score:{CUSTOMER}") == 0
