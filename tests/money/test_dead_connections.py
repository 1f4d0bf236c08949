"""An environment that was frozen for hours serves its first request, even if its connection is dead."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lending import wiring
from testkit.database import Database, connect
from testkit.proxy import Action, Proxy
from testkit.service import Answer, Service, use_patience, wired
from tests.money.borrowers import APPLICATION, add_borrowers, loans_of
from tests.money.conftest import CUSTOMER
from tests.money.duplicates import SALARY_FOR_MANY
from tests.money.stores import migrated_mysql
from tests.money.wire import connection_id

OPERATIONS = pytest.mark.parametrize(
    ("post", "status"),
    [
        (lambda service: service.create(CUSTOMER, **APPLICATION), 201),
        (lambda service: service.check(CUSTOMER, **APPLICATION), 200),
    ],
    ids=["create-loan", "check-eligibility"],
)

Post = Callable[[Service], Answer]


@pytest.fixture
def narrow_logins() -> dict[str, dict[str, str]]:
    """None: an account may end its own connections alone."""
    return {"functions": {}, "importer": {}}


@pytest.fixture
def connection_ids(proxy: Proxy) -> list[int]:
    """The ids of the handlers' connections so far; the last one is open."""
    ids: list[int] = []

    def note(piece: bytes) -> Action:
        opened = connection_id(piece)
        if opened is not None:
            ids.append(opened)
        return Action.PASS

    proxy.on_reply = note
    return ids


@OPERATIONS
def test_a_connection_that_the_server_killed_is_replaced(
    service: Service, database: Database, connection_ids: list[int], post: Post, status: int
) -> None:
    service.create(CUSTOMER, **APPLICATION)
    database.execute(f"KILL {connection_ids[-1]}")

    assert post(service).status == status
    assert len(connection_ids) == 2


@OPERATIONS
def test_a_connection_that_the_server_found_idle_is_replaced(
    service: Service, connection_ids: list[int], monkeypatch: pytest.MonkeyPatch, post: Post, status: int
) -> None:
    use_patience(monkeypatch, replace(wiring.patience, database_idle=0.9, database_server_idle=1))
    service.create(CUSTOMER, **APPLICATION)
    time.sleep(1.5)

    assert post(service).status == status
    assert len(connection_ids) == 2


@OPERATIONS
def test_a_connection_that_the_network_forgot_is_not_waited_for(
    service: Service,
    proxy: Proxy,
    connection_ids: list[int],
    monkeypatch: pytest.MonkeyPatch,
    post: Post,
    status: int,
) -> None:
    service.create(CUSTOMER, **APPLICATION)
    use_patience(monkeypatch, replace(wiring.patience, database_idle=0))
    proxy.on_request = lambda _: Action.PASS if len(connection_ids) > 1 else Action.DROP
    started_at = time.monotonic()

    assert post(service).status == status
    assert len(connection_ids) == 2
    assert time.monotonic() - started_at < wiring.patience.database_reply


def test_without_a_free_connection_the_client_is_asked_to_retry(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten is the fewest that MariaDB allows; one more is kept for an administrator.
    with migrated_mysql(tmp_path / "mysql", "--max-connections=10") as server:
        with connect(server.environment) as connection:
            add_borrowers(connection, [CUSTOMER], SALARY_FOR_MANY)
        with wired(server.environment, monkeypatch):
            others = [connect(server.environment) for _ in range(10)]
            full = service.create(CUSTOMER, **APPLICATION)
            for other in others:
                other.close()
            again = service.create(CUSTOMER, **APPLICATION)
            with connect(server.environment) as connection:
                made = loans_of(connection, [CUSTOMER])

    assert (full.status, full.headers["retry-after"]) == (503, "1")
    assert full.body["type"] == "/problems/store-unavailable"
    assert again.status == 201
    assert made == {CUSTOMER: [again.body["loan_id"]]}
