"""A failover that kept connections outlive: what they lead to takes no writes, and may lack the newest loans."""

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import NamedTuple

import pytest
import redis

from db.migrate import migrate
from functions.refresh_cache.app import lambda_handler
from lending.adapters.mysql_connection import WRITABLE
from lending.errors import StoreUnavailableError
from local.front.lambda_context import LambdaContext
from local.servers.mysql_server import ADMINISTRATOR, USER, start_mysql
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Customer, a_loan
from testkit.proxy import Proxy
from testkit.service import Service, wired

ASHA, BIRGIT, NOBODY = 1001, 1002, 1003
"""Known to both servers; to the new writer alone; to neither."""

SALARIED = Customer(monthly_salary=Decimal(90_000), approved_limit=Decimal(3_000_000))
AFTER = 51
"""Asha's score on the new writer, which has a loan more; 48 on the old one."""


class Stores(NamedTuple):
    """Two servers, of which the first is the writer until it is demoted."""

    old: Database
    new: Database
    proxy: Proxy
    """What the service takes for the database."""
    servers: list[Server]

    def fail_over(self) -> None:
        """Demote the old writer, and lead new connections to the new one."""
        administrate(self.servers[0], "SET GLOBAL read_only = 1")
        self.proxy.lead_new_to(self.servers[1].host, self.servers[1].port)

    def demote_the_new_one_too(self) -> None:
        administrate(self.servers[1], "SET GLOBAL read_only = 1")


def administrate(server: Server, statement: str) -> None:
    with connect(server.environment | {"DB_USER": ADMINISTRATOR}) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(start_mysql(tmp_path_factory.mktemp(name))) for name in ("old", "new")]


@pytest.fixture
def stores(servers: list[Server]) -> Iterator[Stores]:
    with ExitStack() as stack:
        password = servers[0].environment["DB_PASSWORD"]
        for server in servers:
            administrate(server, "SET GLOBAL read_only = 0")
            administrate(server, f"ALTER USER '{USER}'@'%' IDENTIFIED BY '{password}'")
        environments = [server.environment | {"DB_PASSWORD": password} for server in servers]
        old, new = (Database(each, stack.enter_context(connect(each))) for each in environments)
        proxy = stack.enter_context(Proxy(servers[0].host, servers[0].port))
        for database in (old, new):
            migrate(database.connection)
            database.clear()
            database.add_customer(ASHA, SALARIED, [a_loan()] * 3)
        new.add_customer(BIRGIT, SALARIED, [a_loan()] * 3)
        new.execute("SET @cache_invalidations_by_hand = 1")
        new.execute(
            "INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,"
            " start_date, end_date, status) VALUES (%s, 100000, 12, 12, 8884.88, 0, '2024-06-15', '2025-06-15',"
            " 'APPROVED')",
            [ASHA],
        )
        new.execute("SET @cache_invalidations_by_hand = NULL")
        yield Stores(old, new, proxy, servers)


@pytest.fixture
def service(service: Service, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The handlers, with a kept connection to the old writer, which is one no longer."""
    places = stores.old.environment | {"DB_PORT": str(stores.proxy.port)}
    with wired(places, monkeypatch):
        service.check(NOBODY)
        stores.fail_over()
        yield service


def test_a_check_fills_what_the_new_writer_says(service: Service) -> None:
    first, second = service.check(ASHA), service.check(ASHA)

    assert (first.cache_status, first.body["credit_score"]) == ("fwd=miss; stored", AFTER)
    assert (second.cache_status, second.body["credit_score"]) == ("hit", AFTER)


def test_a_check_fills_nothing_while_there_is_no_writer(service: Service, stores: Stores) -> None:
    stores.demote_the_new_one_too()

    answer = service.check(ASHA)

    assert (answer.status, answer.cache_status) == (200, "fwd=miss")


def test_a_customer_whom_the_old_writer_lacks_is_known(service: Service) -> None:
    assert service.check(BIRGIT).status == 200
    assert service.check(NOBODY).status == 404


def test_a_loan_is_made_by_the_new_writer(service: Service, stores: Stores) -> None:
    answer = service.create(ASHA)

    assert answer.status == 201
    assert stores.old.execute("SELECT COUNT(*) FROM loans WHERE customer_id = %s", [ASHA]) == ((3,),)
    assert stores.new.execute("SELECT COUNT(*) FROM loans WHERE customer_id = %s", [ASHA]) == ((5,),)


def test_a_customer_whom_the_old_writer_lacks_may_borrow(service: Service) -> None:
    assert service.create(BIRGIT, loan_amount=1000).status == 201
    assert service.create(NOBODY).status == 404


def test_a_decline_is_decided_by_the_new_writer(service: Service, stores: Stores) -> None:
    """A decline writes nothing, so no server would refuse it."""
    stores.new.execute("UPDATE customers SET approved_limit = 1 WHERE customer_id = %s", [ASHA])

    answer = service.create(ASHA, key="k1")

    assert (answer.status, answer.body["reason_codes"][:1]) == (200, ["DEBT_OVER_APPROVED_LIMIT"])


def test_nothing_is_lent_or_declined_while_there_is_no_writer(service: Service, stores: Stores) -> None:
    stores.demote_the_new_one_too()

    answers = [service.create(ASHA), service.create(ASHA, loan_amount=9_000_000), service.create(NOBODY)]

    assert [answer.status for answer in answers] == [503, 503, 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)


def refresh() -> dict[str, int]:
    return lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))


def test_the_refresh_neither_warms_nor_accuses_by_what_the_old_writer_says(
    service: Service, stores: Stores, redis_client: redis.Redis
) -> None:
    service.check(ASHA)
    redis_client.expire(f"credit_score:{ASHA}", 3599)
    service.check(ASHA)
    stores.demote_the_new_one_too()

    with pytest.raises(StoreUnavailableError):
        refresh()

    assert redis_client.ttl(f"credit_score:{ASHA}") <= 3599
    assert service.check(ASHA).cache_status == "hit"


@pytest.mark.usefixtures("service")
def test_the_sweep_leaves_the_old_writers_outbox(stores: Stores, redis_client: redis.Redis) -> None:
    """Nothing is refused there by every server: it is empty, and an empty one is swept without a write."""
    redis_client.set(f"credit_score:{ASHA}", "stale")
    stores.new.execute("UPDATE customers SET monthly_salary = 80000 WHERE customer_id = %s", [ASHA])

    with pytest.raises(StoreUnavailableError):
        refresh()
    refresh()

    assert redis_client.get(f"credit_score:{ASHA}") is None


@pytest.mark.parametrize(
    ("read_only", "takes_no_writes"),
    [
        ((0, 0), False),
        (("OFF", "0"), False),
        ((1, 0), True),
        ((0, 1), True),
        (("ON", 0), True),
        (("NO_LOCK", 0), True),
        (("NO_LOCK_NO_ADMIN", 0), True),
        ((None, 0), True),
    ],
)
def test_any_word_but_off_says_that_a_server_takes_no_writes(
    read_only: tuple[object, ...], *, takes_no_writes: bool
) -> None:
    """MySQL says 0 and 1, MariaDB has words as well."""
    assert WRITABLE.issuperset(read_only) != takes_no_writes
