"""What stands in for ElastiCache Serverless: one node with all slots, database 0, and no command that it refuses."""

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from db.findings import Verdict
from doctor.cache import examine_cache
from doctor.commands import IN_A_CLUSTER, commands, name
from functions.refresh_cache import app as refresh_cache
from lending import wiring
from lending.adapters.keyspace import Keyspace
from lending.adapters.logins import GivenLogin
from local.front.lambda_context import LambdaContext
from local.servers.redis_cluster import SLOTS, ask
from local.servers.redis_server import in_container, start_redis
from local.servers.server import Server
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.service import Service, wired
from testkit.waiting import eventually

CUSTOMER = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))
PREFIX = "lending-staging:"
READY_SECONDS = 30
COMMANDS = Path(__file__).with_name("elasticache_serverless.txt")

pytestmark = pytest.mark.skipif(in_container(), reason="a node in a container does not know its port")


def listed(section: str) -> set[str]:
    """Return a list of the file, with subcommands as an ACL has them."""
    text = "\n".join(line for line in COMMANDS.read_text().splitlines() if not line.startswith("#"))
    return set(text.partition(f"[{section}]")[2].partition("[")[0].split())


@pytest.fixture(scope="module")
def serverless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_redis(tmp_path_factory.mktemp("serverless") / "redis", None, "--cluster-enabled", "yes") as node:
        ask(node, "CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        assert eventually(lambda: "cluster_state:ok" in ask(node, "CLUSTER", "INFO"), READY_SECONDS)
        ask(node, "ACL", "SETUSER", "lending", "on", ">swordfish", "~*", "+@all")
        for command in listed("restricted"):
            with suppress(redis.ResponseError):  # one that this version does not know
                ask(node, "ACL", "SETUSER", "lending", f"-{command}")
        yield node


@pytest.fixture
def service(
    service: Service, database: Database, serverless: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    database.add_customer(1001, CUSTOMER, [a_loan()])
    ask(serverless, "FLUSHALL")
    monkeypatch.setattr(wiring, "_redis_login", lambda: GivenLogin("lending", "swordfish"))
    with wired(serverless.environment | {"REDIS_DB": "0", "REDIS_KEY_PREFIX": PREFIX}, monkeypatch):
        yield service


def refresh() -> dict[str, int]:
    return refresh_cache.lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))


def test_all_that_the_service_does_works_with_the_plain_settings(service: Service, serverless: Server) -> None:
    uses = [service.check(1001).cache_status for _ in range(2)]
    ask(serverless, "EXPIRE", f"{PREFIX}credit_score:1001", 60)
    uses.append(service.check(1001).cache_status)
    noted = set(ask(serverless, "KEYS", "*"))
    renewed = refresh()
    lent = service.create(1001).status
    swept = refresh()
    findings = dict(examine_cache(wiring.settings()))

    assert uses == ["fwd=miss; stored", "hit", "hit"]
    assert noted == {f"{PREFIX}credit_score:1001", f"{PREFIX}credit_scores:expiring"}
    assert (renewed["warmed"], renewed["inspected"], renewed["mismatches"]) == (1, 1, 0)
    assert (lent, swept["swept"]) == (201, 1)
    assert findings["cache cluster mode"].verdict is findings["cache commands"].verdict is Verdict.OK
    assert "errorstat_MOVED" not in ask(serverless, "INFO", "errorstats")


def test_another_database_than_0_is_refused_and_the_answers_are_right(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wired({"REDIS_DB": "1"}, monkeypatch):
        answers = [service.check(1001), service.create(1001)]
        findings = dict(examine_cache(wiring.settings()))

    assert [answer.status for answer in answers] == [200, 201]
    assert [answer.cache_status for answer in answers] == ["fwd=bypass; detail=misconfigured"] * 2
    assert findings["cache database"].verdict is Verdict.FAILED


def test_serverless_supports_every_command_that_is_sent_to_it() -> None:
    to_one_node = [*commands(Keyspace(0, PREFIX, "mark")), ("AUTH",), *IN_A_CLUSTER[:1]]
    sent = {name(command).lower() for command in to_one_node}

    assert sent <= listed("supported")
    assert not sent & listed("restricted")
