"""The refresh of the cache on real servers: sweep, warm, inspect."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
import redis

from functions.refresh_cache.app import lambda_handler
from lending import wiring
from lending.adapters.logins import GivenLogin
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_outbox import MySQLOutbox
from lending.config import Settings
from lending.patience import Patience
from lending.ports import InvalidationBatch, Outbox
from local.front.lambda_context import LambdaContext
from testkit.clock import WoundClock
from testkit.database import Database, connect
from testkit.fakes import POLICY, Customer, a_loan
from testkit.service import TODAY, Service, use_patience

SALARIED = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))


@pytest.fixture
def asha(database: Database) -> int:
    """A customer with ten repaid loans."""
    database.add_customer(1001, SALARIED, [a_loan()] * 10)
    return 1001


@pytest.fixture(autouse=True)
def _wired(service: Service) -> None:
    """Wire the handler like the service."""


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second pass follow the first without a wait."""
    use_patience(monkeypatch, replace(wiring.patience, second_pass=-1))


def refresh() -> dict[str, int]:
    return lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))


def outbox_rows(database: Database) -> int:
    ((count,),) = database.execute("SELECT COUNT(*) FROM cache_invalidations")
    return int(count)


def invalidate(database: Database, *customer_ids: int) -> None:
    for customer_id in customer_ids:
        database.execute("INSERT INTO cache_invalidations (customer_id) VALUES (%s)", [customer_id])


def customers_in(batch: InvalidationBatch) -> list[int]:
    return [each.customer_id for each in batch.invalidations]


@contextmanager
def another_run(database: Database) -> Iterator[Outbox]:
    """Give the outbox as a run beside the service's sees it."""
    login = GivenLogin(database.environment["DB_USER"], database.environment["DB_PASSWORD"])
    connection = MySQLConnection(Settings.from_env(database.environment), login, Patience())
    with closing(connection):
        yield MySQLOutbox(connection, wiring.patience)


def test_a_loan_leaves_its_invalidation_in_the_outbox(service: Service, database: Database, asha: int) -> None:
    service.create(asha)

    ((customer_id, token, swept_at),) = database.execute(
        "SELECT customer_id, write_token, swept_at FROM cache_invalidations"
    )
    assert customer_id == asha
    assert token.startswith(b"write:")
    assert swept_at is None


def test_a_sweep_drops_what_a_killed_writer_left_behind(service: Service, redis_client: redis.Redis, asha: int) -> None:
    """As if the writer was killed after its commit, and both its marker and its delete were lost."""
    service.check(asha)
    redis_client.copy("credit_score:1001", "stale")
    service.create(asha)
    redis_client.rename("stale", "credit_score:1001")

    report = refresh()

    assert report["swept"] == 1
    assert redis_client.get("credit_score:1001") is None
    assert service.check(asha).cache_status == "fwd=miss; stored"


def test_a_sweep_frees_a_customer_of_a_killed_writers_marker(
    service: Service, database: Database, redis_client: redis.Redis, asha: int
) -> None:
    service.create(asha)
    ((token,),) = database.execute("SELECT write_token FROM cache_invalidations")
    redis_client.set("credit_score:1001", token)
    assert service.check(asha).cache_status == "fwd=miss"

    refresh()

    assert service.check(asha).cache_status == "fwd=miss; stored"


def test_a_sweep_leaves_another_writers_marker(service: Service, redis_client: redis.Redis, asha: int) -> None:
    service.create(asha)
    redis_client.set("credit_score:1001", "write:another")

    refresh()

    assert redis_client.get("credit_score:1001") == b"write:another"


@pytest.mark.usefixtures("no_pause")
def test_a_row_goes_at_its_second_confirmed_pass(service: Service, database: Database, asha: int) -> None:
    """A failover between the passes may have forgotten the first delete."""
    service.create(asha)

    swept = [refresh()["swept"] for _ in range(3)]

    assert swept == [1, 1, 0]
    assert outbox_rows(database) == 0


def test_a_row_waits_between_its_passes(service: Service, database: Database, asha: int) -> None:
    service.create(asha)

    swept = [refresh()["swept"] for _ in range(2)]

    assert swept == [1, 0]
    assert outbox_rows(database) == 1


def test_rows_of_a_dead_shard_stay_and_count_as_the_oldest(service: Service, database: Database, asha: int) -> None:
    ravi = asha + 1
    database.add_customer(ravi, SALARIED, [a_loan()] * 10)
    for customer_id in (asha, ravi):
        service.create(customer_id)
    database.execute("UPDATE cache_invalidations SET created_at = created_at - INTERVAL 1 HOUR")

    with wiring.outbox().batch(10) as batch:
        settled = batch.confirm(except_of={asha})

    left = database.execute("SELECT customer_id FROM cache_invalidations WHERE swept_at IS NULL")
    assert (settled, left) == (1, ((asha,),))
    assert wiring.outbox().oldest_seconds() >= 3600


def test_two_sweeps_at_once_share_the_rows(service: Service, database: Database, asha: int) -> None:
    for _ in range(3):
        service.create(asha)

    with another_run(database) as outbox, outbox.batch(2) as held:
        swept = refresh()["swept"]

    assert held.rows == 2
    assert swept == 1


def test_a_batch_that_was_not_confirmed_comes_again(database: Database) -> None:
    invalidate(database, 1, 2, 3)

    with another_run(database) as outbox:
        with outbox.batch(2) as failed:
            pass
        with outbox.batch(2) as again:
            again.confirm()
        with outbox.batch(2) as rest:
            pass

    assert customers_in(failed) == customers_in(again) == [1, 2]
    assert customers_in(rest) == [3]


def test_a_row_whose_low_number_was_committed_late_is_swept_a_second_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WoundClock(monkeypatch, frozen=False)
    with connect(database.environment) as slow_writer, another_run(database) as outbox:
        slow_writer.begin()
        invalidate(Database(database.environment, slow_writer), 3)
        invalidate(database, 1, 2)
        with outbox.batch(1) as first:
            first.confirm()
        slow_writer.commit()
        with outbox.batch(1) as second:
            second.confirm()
        clock.pass_by(seconds=1)
        with outbox.batch(1) as late:
            pass

    assert [customers_in(batch) for batch in (first, second, late)] == [[1], [2], [3]]


@pytest.mark.usefixtures("no_pause")
def test_the_second_pass_goes_on_where_its_last_batch_ended(database: Database) -> None:
    invalidate(database, *range(1, 6))
    refresh()

    with another_run(database) as outbox:
        customers = []
        for _ in range(4):
            with outbox.batch(2) as batch:
                customers += customers_in(batch)
                batch.confirm()

    assert customers == [1, 2, 3, 4, 5]
    assert outbox_rows(database) == 0


def test_an_entry_hit_in_its_last_hour_is_renewed(service: Service, redis_client: redis.Redis, asha: int) -> None:
    service.check(asha)
    service.check(asha)
    assert redis_client.smembers("credit_scores:expiring") == set()
    redis_client.expire("credit_score:1001", 3599)
    service.check(asha)
    assert redis_client.smembers("credit_scores:expiring") == {b"1001"}

    report = refresh()

    assert report["warmed"] == 1
    assert redis_client.ttl("credit_score:1001") > 86_000
    assert redis_client.smembers("credit_scores:expiring") == set()
    assert service.check(asha).cache_status == "hit"


def test_a_thousand_entries_are_renewed_with_a_few_statements(
    service: Service, database: Database, redis_client: redis.Redis
) -> None:
    for customer_id in range(1, 601):
        database.add_customer(customer_id, SALARIED, [a_loan()])
        service.check(customer_id)
        redis_client.expire(f"credit_score:{customer_id}", 3599)
    redis_client.sadd("credit_scores:expiring", *range(1, 601))  # as the hits of an entry's last hour would

    assert refresh()["warmed"] == 600
    assert min(redis_client.ttl(f"credit_score:{customer_id}") for customer_id in range(1, 601)) > 86_000


def test_warming_leaves_alone_what_is_no_longer_there(redis_client: redis.Redis) -> None:
    redis_client.sadd("credit_scores:expiring", 1001, 999_999, "junk")

    report = refresh()

    assert report["warmed"] == 0
    assert redis_client.get("credit_score:1001") is None


def test_a_sound_cache_passes_its_inspection(service: Service, asha: int) -> None:
    service.check(asha)

    report = refresh()

    assert report["inspected"] == 1
    assert report["mismatches"] == 0
    assert service.check(asha).cache_status == "hit"


def test_a_broken_promise_is_counted_logged_and_mended(
    service: Service,
    database: Database,
    redis_client: redis.Redis,
    asha: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.check(asha)
    database.execute("SET @cache_invalidations_by_hand = 1")
    database.execute("UPDATE customers SET monthly_salary = 1")  # behind the service's back
    database.execute("SET @cache_invalidations_by_hand = NULL")

    report = refresh()

    assert report["mismatches"] == 1
    assert redis_client.get("credit_score:1001") is None
    assert "A cached profile was not what the store says" in caplog.text
    assert refresh()["mismatches"] == 0


def test_an_entry_of_a_customer_who_is_gone_is_a_mismatch(service: Service, database: Database, asha: int) -> None:
    service.check(asha)
    database.clear()  # the outbox, too

    assert refresh()["mismatches"] == 1


@pytest.mark.parametrize("since", [b"write:another", b"lease:another"])
def test_an_inspection_leaves_alone_what_has_come_since_it_looked(
    service: Service, redis_client: redis.Redis, asha: int, since: bytes
) -> None:
    """A marker or lease that it dropped would let a reader fill a score from before a loan."""
    service.check(asha)
    cache = wiring.bulk_score_cache()
    seen = cache.sample(50, TODAY, POLICY)
    redis_client.set("credit_score:1001", since)

    assert len(seen) == 1
    assert cache.discard(seen) == []
    assert redis_client.get("credit_score:1001") == since
