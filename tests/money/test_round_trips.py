"""What a loan asks of the stores, statement by statement, as a proxy sees it."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from lending import wiring
from local.servers.server import Server
from testkit.database import Database
from testkit.proxy import HOST, Action, Proxy
from testkit.service import Service, wired
from tests.money.borrowers import APPLICATION
from tests.money.conftest import CUSTOMER
from tests.money.wire import statement

TOO_MUCH: dict[str, Any] = {**APPLICATION, "loan_amount": 9_000_000_000}


@pytest.fixture
def statements(service: Service, proxy: Proxy) -> list[str]:
    """The statements from here on, each by how it begins; the connection is there already."""
    service.create(CUSTOMER, **APPLICATION)
    seen: list[str] = []

    def note(piece: bytes) -> Action:
        text = " ".join(statement(piece).decode("latin-1").split())
        if text:
            seen.append("lock" if text.endswith("FOR UPDATE") else text.split()[0])
        return Action.PASS

    proxy.on_request = note
    return seen


@pytest.fixture
def commands(service: Service, redis_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What is sent to Redis from here on, piece by piece."""
    pieces: list[bytes] = []

    def note(piece: bytes) -> Action:
        pieces.append(piece)
        return Action.PASS

    with (
        Proxy(redis_server.host, redis_server.port) as between,
        wired({"REDIS_HOST": HOST, "REDIS_PORT": str(between.port)}, monkeypatch),
    ):
        service.create(CUSTOMER, **APPLICATION)
        between.on_request = note
        yield pieces


@pytest.mark.parametrize(
    ("application", "key", "asked"),
    [
        (APPLICATION, "k1", ["lock", "SELECT", "INSERT", "COMMIT"]),
        (APPLICATION, None, ["lock", "SELECT", "INSERT", "COMMIT"]),
        (TOO_MUCH, "k1", ["lock", "SELECT", "INSERT", "COMMIT"]),
        (TOO_MUCH, None, ["lock", "SELECT", "ROLLBACK"]),
    ],
    ids=["lent with a key", "lent without", "declined with a key", "declined without"],
)
def test_a_request_takes_so_many_round_trips_to_the_database(
    service: Service, statements: list[str], application: dict[str, Any], key: str | None, asked: list[str]
) -> None:
    answer = service.create(CUSTOMER, key=key, **application)

    assert answer.status == (201 if application is APPLICATION else 200)
    assert statements == asked


@pytest.mark.parametrize(("key", "round_trips"), [("k1", 2), (None, 3)])
def test_a_loan_takes_so_many_round_trips_to_redis(
    service: Service, commands: list[bytes], key: str | None, round_trips: int
) -> None:
    assert service.create(CUSTOMER, key=key, **APPLICATION).status == 201
    assert len(commands) == round_trips


def test_behind_a_proxy_a_transaction_says_begin(
    service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session variable may be another client's there."""
    with wired({"DB_PROXY": "true"}, monkeypatch):
        service.create(CUSTOMER, **APPLICATION)
        seen: list[bytes] = []

        def note(piece: bytes) -> Action:
            seen.extend(statement(piece).split()[:1])
            return Action.PASS

        proxy.on_request = note
        answer = service.create(CUSTOMER, key="k1", **APPLICATION)

    assert answer.status == 201
    assert seen == [b"BEGIN", b"SELECT", b"SELECT", b"INSERT", b"COMMIT"]


def test_with_autocommit_back_on_nothing_is_lent(service: Service, database: Database) -> None:
    """The lock would be gone at once."""
    service.create(CUSTOMER, **APPLICATION)
    with wiring.lending_database().transaction() as transaction:
        transaction.execute("SET SESSION autocommit = 1", {})

    refused = service.create(CUSTOMER, key="k1", **APPLICATION)
    afterwards = service.create(CUSTOMER, key="k1", **APPLICATION)

    assert refused.status == 503
    assert afterwards.status == 201
    assert "idempotency-replayed" not in afterwards.headers
    assert database.execute("SELECT COUNT(*) FROM loans WHERE request_id IS NOT NULL") == ((2,),)


@pytest.mark.parametrize("application", [APPLICATION, TOO_MUCH])
def test_no_transaction_stays_open_that_would_stop_a_migration(
    service: Service, database: Database, application: dict[str, Any]
) -> None:
    service.create(CUSTOMER, **application)
    service.check(CUSTOMER, **application)

    database.execute("SET SESSION lock_wait_timeout = 1")
    database.execute("ALTER TABLE loans COMMENT = ''")


def test_the_customer_is_locked_no_more_once_it_is_answered(service: Service, database: Database) -> None:
    service.create(CUSTOMER, **TOO_MUCH)

    row = database.execute("SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE NOWAIT", [CUSTOMER])
    assert row == ((1,),)


def test_a_hit_is_one_round_trip_to_redis_and_none_to_the_database(
    service: Service, redis_client: redis.Redis, statements: list[str], commands: list[bytes]
) -> None:
    service.check(CUSTOMER)
    del statements[:], commands[:]

    assert service.check(CUSTOMER).cache_status == "hit"
    assert (len(commands), statements) == (1, [])
    assert redis_client.exists(f"credit_score:{CUSTOMER}") == 1
