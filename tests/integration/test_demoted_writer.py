"""A connection can outlive a failover and lead to a demoted server: it is believed as little as possible."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

import pytest
import redis

from db.migrate import migrate
from local.servers.mysql_server import start_mysql
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Customer, a_loan
from testkit.proxy import HOST, Proxy
from testkit.service import Service, wired

ASHA, BIRGIT, CHRIS, DILIP = 1001, 1002, 1003, 1004
SALARIED = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
PENNILESS = SALARIED._replace(monthly_salary=Decimal(1))
CUSTOMERS = {ASHA: SALARIED, BIRGIT: PENNILESS, CHRIS: SALARIED}
"""Whom both servers know."""


class Failover(NamedTuple):
    """A connection of the service leads to a server that was the writer until now. Where new ones lead, is to say."""

    promoted: Database
    name: Proxy

    def reaches_the_name(self) -> None:
        """Lead new connections to the new writer."""
        self.name.lead_new_to(HOST, int(self.promoted.environment["DB_PORT"]))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Database]]:
    """A demoted server, and its successor, which knows Dilip besides."""
    folder = tmp_path_factory.mktemp("servers")
    with start_mysql(folder / "demoted") as server:
        _fill(server, CUSTOMERS)
    with start_mysql(folder / "demoted", server.port, "--read-only") as demoted:
        password = demoted.environment["DB_PASSWORD"]
        with start_mysql(folder / "promoted", password=password) as promoted, connect(promoted.environment) as own:
            _fill(promoted, CUSTOMERS | {DILIP: SALARIED})
            yield demoted, Database(promoted.environment, own)


def _fill(server: Server, customers: Mapping[int, Customer]) -> None:
    with connect(server.environment) as connection:
        migrate(connection)
        for customer_id, customer in customers.items():
            Database(server.environment, connection).add_customer(customer_id, customer, [a_loan()] * 3)


@pytest.fixture
def failover(servers: tuple[Server, Database], service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Failover]:
    """The service has connected before the failover."""
    demoted, promoted = servers
    with Proxy(HOST, demoted.port) as name, wired(demoted.environment | {"DB_PORT": str(name.port)}, monkeypatch):
        service.check(BIRGIT)
        yield Failover(promoted, name)


def test_a_check_asks_the_new_writer_instead_and_keeps_its_score(service: Service, failover: Failover) -> None:
    failover.reaches_the_name()
    failover.promoted.execute("UPDATE loans SET emis_paid_on_time = 0 WHERE customer_id = %s", (CHRIS,))

    first, second = service.check(CHRIS), service.check(CHRIS)

    assert first.body["credit_score"] < service.check(ASHA).body["credit_score"]
    assert first.cache_status == "fwd=miss; stored"
    assert second.cache_status == "hit"


@pytest.mark.usefixtures("failover")
def test_a_score_from_a_server_that_takes_no_writes_is_answered_and_not_kept(
    service: Service, redis_client: redis.Redis
) -> None:
    answer = service.check(ASHA)

    assert answer.status == 200
    assert answer.cache_status == "fwd=miss"
    assert redis_client.getrange(f"credit_score:{ASHA}", 0, 5) == b"lease:"


def test_a_loan_is_made_on_the_new_writer(service: Service, failover: Failover) -> None:
    failover.reaches_the_name()

    answer = service.create(ASHA)

    assert answer.status == 201
    assert len(failover.promoted.execute("SELECT 1 FROM loans WHERE customer_id = %s", (ASHA,))) == 4


@pytest.mark.usefixtures("failover")
@pytest.mark.parametrize("customer_id", [ASHA, BIRGIT, DILIP])
def test_a_server_that_takes_no_writes_neither_lends_nor_declines(service: Service, customer_id: int) -> None:
    assert service.create(customer_id, key="k").status == 503


def test_a_customer_whom_the_demoted_server_does_not_know_is_checked(service: Service, failover: Failover) -> None:
    failover.reaches_the_name()

    assert service.check(DILIP).status == 200


def test_a_customer_whom_the_demoted_server_does_not_know_is_lent_to(service: Service, failover: Failover) -> None:
    failover.reaches_the_name()

    assert service.create(DILIP).status == 201
