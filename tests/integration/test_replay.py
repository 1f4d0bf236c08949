"""A request that was repeated: it finishes in the cache what the first one could not."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import redis

from lending.adapters.redis_scripts import SET_MARKER
from local.servers.server import Server
from testkit.database import Database
from testkit.environments import Environment, EnvironmentKilledError, create_loan
from testkit.fakes import Customer, a_loan
from testkit.proxy import HOST, Action, Fate, Proxy
from testkit.service import APPLICATION, Service

ASHA = 1001
SALARIED = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))
BODY = {"customer_id": ASHA} | APPLICATION
BEFORE, AFTER = 48, 44
"""The score without the new loan, and with it: it begins on the day of the process that is killed, not in 2024."""

LOST = {
    "nothing": b"none",
    "the marker": SET_MARKER.encode(),
}


@pytest.fixture
def mysql(database: Database) -> Iterator[Proxy]:
    with Proxy(database.environment["DB_HOST"], int(database.environment["DB_PORT"])) as proxy:
        yield proxy


@pytest.fixture
def cache(redis_server: Server) -> Iterator[Proxy]:
    with Proxy(redis_server.host, redis_server.port) as proxy:
        yield proxy


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_replay_finishes_what_was_killed_right_after_its_commit(
    lost: bytes,
    service: Service,
    database: Database,
    redis_server: Server,
    redis_client: redis.Redis,
    mysql: Proxy,
    cache: Proxy,
) -> None:
    database.add_customer(ASHA, SALARIED, [a_loan()] * 3)
    warm = service.check(ASHA)
    ports = {"DB_PORT": str(mysql.port), "REDIS_HOST": HOST, "REDIS_PORT": str(cache.port)}
    cache.on_request = lambda piece: Action.CUT if lost in piece else Action.PASS

    with Environment(database.environment | redis_server.environment | ports) as environment:

        def at_commit(piece: bytes) -> Fate:
            if b"\x03COMMIT" in piece:
                mysql.on_reply = kill
            return Action.PASS

        def kill(_: bytes) -> Fate:
            environment.kill()
            return Action.CUT

        mysql.on_request = at_commit
        environment.begin(create_loan, BODY, "k1")
        with pytest.raises(EnvironmentKilledError):
            environment.result()
    left_behind = redis_client.getrange(f"credit_score:{ASHA}", 0, 0)
    replay = service.create(ASHA, key="k1")
    check = service.check(ASHA)

    assert warm.body["credit_score"] == BEFORE
    assert left_behind == (b"w" if lost == b"none" else b"{"), "the marker, or the older entry"
    assert (replay.status, replay.headers.get("idempotency-replayed")) == (201, "true")
    assert (check.cache_status, check.body["credit_score"]) == ("fwd=miss; stored", AFTER)
    assert database.execute("SELECT COUNT(*) - 3 FROM loans") == ((1,),)


def test_a_replay_leaves_the_marker_of_a_loan_under_way(
    service: Service, database: Database, redis_client: redis.Redis
) -> None:
    database.add_customer(ASHA, SALARIED, [a_loan()] * 3)
    service.create(ASHA, key="k1")
    redis_client.set(f"credit_score:{ASHA}", "write:another")

    assert service.create(ASHA, key="k1").headers["idempotency-replayed"] == "true"
    assert redis_client.get(f"credit_score:{ASHA}") == b"write:another"


def test_a_replayed_decline_costs_no_entry(service: Service, database: Database, redis_client: redis.Redis) -> None:
    database.add_customer(ASHA, SALARIED, [a_loan()] * 3)
    declined = [service.create(ASHA, key="k1", loan_amount=90_000_000)]
    service.check(ASHA)
    declined.append(service.create(ASHA, key="k1", loan_amount=90_000_000))

    assert [answer.status for answer in declined] == [200, 200]
    assert redis_client.getrange(f"credit_score:{ASHA}", 0, 0) == b"{"
