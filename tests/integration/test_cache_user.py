"""The cache's user in template.yaml may do everything that the service does, and nothing else."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from doctor.commands import IN_A_CLUSTER, commands, name
from functions.refresh_cache import app as refresh_cache
from lending import wiring
from lending.adapters.keyspace import Keyspace
from lending.patience import Patience
from local.front.lambda_context import LambdaContext
from local.sam.secrets_manager import put_login
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.database import Database
from testkit.fakes import POLICY, Customer, a_loan
from testkit.service import TODAY, Service, use_patience, wired
from testkit.template import template

CACHE_SECRET = "lending/cache"  # a name, not a secret
USER, PASSWORD = "lending", "swordfish"
PREFIX = "lending-staging:"
OF_THE_ADMINISTRATOR = {"config|resetstat", "expire", "info"}
ASHA = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))


def access_string(user: str) -> list[str]:
    """Return what a user of the template may do, as arguments of ACL SETUSER."""
    given = template()["Resources"][user]["Properties"]["AccessString"]
    text = given["Fn::Sub"].replace("${RedisKeyPrefix}", PREFIX) if isinstance(given, dict) else given
    return str(text).split()


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[Server]:
    """The test's own Redis with the users of the template."""
    with start_redis(tmp_path / "redis") as server:
        with redis.Redis(host=server.host, port=server.port) as administrator:
            administrator.execute_command("ACL", "SETUSER", USER, f">{PASSWORD}", *access_string("CacheUser"))
            administrator.execute_command("ACL", "SETUSER", "administrator", "on", ">hunter2", "~*", "&*", "+@all")
            administrator.execute_command("ACL", "SETUSER", "default", "reset")  # as in a user group without it
        yield server


@pytest.fixture
def administrator(guarded_redis: Server) -> Iterator["redis.Redis"]:
    with redis.Redis(
        host=guarded_redis.host, port=guarded_redis.port, db=1, username="administrator", password="hunter2"
    ) as client:
        yield client


@pytest.fixture
def service(
    aws: Server, database: Database, guarded_redis: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """The handlers, logged in to the cache as its user."""
    put_login(aws, CACHE_SECRET, USER, PASSWORD)
    stores = database.environment | guarded_redis.environment | aws.environment
    use_patience(monkeypatch, Patience.relaxed())
    with wired(
        stores | {"REDIS_SECRET_ID": CACHE_SECRET, "SWEEP_SECONDS": "60", "REDIS_KEY_PREFIX": PREFIX}, monkeypatch
    ):
        yield Service()


def test_it_may_do_all_that_the_service_does(
    service: Service, database: Database, administrator: "redis.Redis"
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    administrator.config_resetstat()

    cache_uses = [service.check(1001).cache_status for _ in range(2)]
    administrator.expire(f"{PREFIX}credit_score:1001", 60)  # so that the next hit notes it for renewal
    cache_uses.append(service.check(1001).cache_status)
    renewed = refresh_cache.lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))
    lent = service.create(1001)
    declined = service.create(1001, loan_amount=9_999_999_999)
    swept = refresh_cache.lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))
    wiring.bulk_score_cache().unready(0, 1, TODAY, POLICY)  # as on the day before another policy
    carried_out = {each.removeprefix("cmdstat_") for each in administrator.info("commandstats")}

    assert cache_uses == ["fwd=miss; stored", "hit", "hit"]
    assert (renewed["warmed"], renewed["inspected"], renewed["mismatches"]) == (1, 1, 0)
    assert (lent.status, declined.status) == (201, 200)
    assert swept["swept"] == 1
    assert administrator.info("errorstats") == {}, "Redis refused nothing"
    needed = {name(command).lower() for command in commands(Keyspace(1, PREFIX, "mark"))}
    assert carried_out - OF_THE_ADMINISTRATOR == needed | {"auth"}, "and everything that is allowed is needed"


def test_it_may_send_what_the_service_sends_and_no_other_command() -> None:
    sent = {f"+{name(command).lower()}" for command in commands(Keyspace(1, PREFIX, "mark")) + IN_A_CLUSTER}

    assert {each for each in access_string("CacheUser") if each.startswith("+")} == sent


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("GET", "somebody:else"),
        ("GET", "credit_score:1001"),  # of a stack without the prefix
        ("PING",),
        ("EVAL", "return redis.call('GET', 'somebody:else')", "0"),
        ("ACL", "LIST"),
    ],
)
def test_it_may_do_nothing_else(guarded_redis: Server, command: tuple[str, ...]) -> None:
    with (
        redis.Redis(host=guarded_redis.host, port=guarded_redis.port, username=USER, password=PASSWORD, db=1) as client,
        pytest.raises(redis.ResponseError, match=r"(?i)permission|NOPERM|can't access"),
    ):
        client.execute_command(*command)


def test_nobody_logs_in_without_a_name(guarded_redis: Server) -> None:
    with (
        redis.Redis(host=guarded_redis.host, port=guarded_redis.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
