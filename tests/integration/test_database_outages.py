"""While the database is away, hits still answer and the rest gets 503 at once. All is well when it is back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pymysql
import pytest

from db.migrate import migrate
from lending import wiring
from lending.adapters import aws_secrets, mysql_connection
from lending.adapters.logins import database_login
from lending.config import Settings
from lending.errors import ConnectionLostError
from lending.patience import Patience
from local.servers.mysql_server import in_container, start_mysql
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Customer, a_loan
from testkit.proxy import Proxy
from testkit.service import Answer, Service, use_patience, wired

CUSTOMER = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
CACHED, UNCACHED, NOBODY = 1001, 1002, 1003
"""Two customers with the same record, one of them with an entry in the cache, and an id that nobody has."""

TOO_MUCH = 9000000
"""A loan amount whose installments nobody here can afford."""

LOCK_CUSTOMER = "SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE"

WAITING_FOR_CUSTOMER = """
SELECT 1 FROM information_schema.processlist WHERE info LIKE '%%JOIN customers%%FOR UPDATE%%' AND id <> CONNECTION_ID()
"""

MAX_CONNECTIONS = 10  # the fewest that MariaDB allows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests may stop, kill and freeze if they bring it back."""
    options = f"--max-connections={MAX_CONNECTIONS}"
    with start_mysql(tmp_path_factory.mktemp("mysql"), None, options) as server:
        with connect(server.environment) as connection:
            migrate(connection)
        yield server


@pytest.fixture
def narrow_logins() -> dict[str, dict[str, str]]:
    """None: that server is another one."""
    return {"functions": {}, "importer": {}}


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """The database on that server, with the two customers."""
    with connect(server.environment) as connection:
        database = Database(server.environment, connection)
        database.clear()
        for customer_id in (CACHED, UNCACHED):
            database.add_customer(customer_id, CUSTOMER, [a_loan()] * 3)
        yield database


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """The proxy that the service connects to."""
    with Proxy(server.host, server.port) as proxy:
        yield proxy


@pytest.fixture
def service(service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The handlers, with the proxy between them and the database, one cached entry and one open connection."""
    with wired({"DB_PORT": str(proxy.port)}, monkeypatch):
        service.check(CACHED)
        yield service


Post = Callable[[Service, int], Answer]


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["type"] == "/problems/store-unavailable"
    assert int(answer.headers["retry-after"]) >= 1


def loans_made(server: Server) -> int:
    """Return, on a new connection, how many loans were added since the start."""
    with connect(server.environment) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) - 6 FROM loans")
        ((count,),) = cursor.fetchall()
    return int(count)


def connections_of_service(database: Database) -> set[int]:
    rows = database.execute(
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    )
    return {int(connection_id) for (connection_id,) in rows}


def kill_connections(database: Database) -> None:
    for connection_id in connections_of_service(database):
        database.execute("KILL %s", [connection_id])


# --- away -------------------------------------------------------------------------------------------------------------

Outage = Callable[[Server, Proxy, Database], AbstractContextManager[None]]


def behind_a_proxy_that(begin: Callable[[Proxy], object]) -> Outage:
    @contextmanager
    def outage(_server: Server, proxy: Proxy, _database: Database) -> Iterator[None]:
        begin(proxy)
        yield
        proxy.pass_on()

    return outage


def ended_by(end: Callable[[Server], None]) -> Outage:
    @contextmanager
    def outage(server: Server, _proxy: Proxy, _database: Database) -> Iterator[None]:
        end(server)
        try:
            yield
        finally:
            server.start()

    return outage


def take_all_connections(server: Server, held: ExitStack) -> NoReturn:
    while True:
        held.enter_context(connect(server.environment))


@contextmanager
def out_of_connections(server: Server, _proxy: Proxy, database: Database) -> Iterator[None]:
    with ExitStack() as held:
        kill_connections(database)
        with pytest.raises(pymysql.OperationalError, match="Too many connections"):
            take_all_connections(server, held)
        yield


refusing, killed = behind_a_proxy_that(Proxy.refuse), ended_by(Server.kill)
OUTAGES = {
    "refusing": refusing,
    "resetting": behind_a_proxy_that(lambda proxy: proxy.cut_replies(after_bytes=0)),
    "resetting in mid-reply": behind_a_proxy_that(lambda proxy: proxy.cut_replies(after_bytes=3)),
    "stopped": ended_by(Server.stop),
    "killed": killed,
    "out of connections": out_of_connections,
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_only_hits_answer_while_the_database_is(
    outage: Outage, service: Service, server: Server, proxy: Proxy, database: Database
) -> None:
    with outage(server, proxy, database):
        hit = service.check(CACHED)
        declined_by_hit = service.create(CACHED, loan_amount=TOO_MUCH)
        started_at = time.monotonic()
        miss = service.check(UNCACHED)
        loan = service.create(CACHED)
        elapsed_seconds = time.monotonic() - started_at
    loans_made_by_then = loans_made(server)
    loan_after_recovery = service.create(CACHED)

    assert (hit.status, hit.cache_status) == (200, "hit")
    assert (declined_by_hit.status, declined_by_hit.cache_status) == (200, "hit")
    assert_unavailable(miss)
    assert_unavailable(loan)
    assert elapsed_seconds < 2 * wiring.patience.database_connect, "neither waited in vain"
    assert loans_made_by_then == 0
    assert loan_after_recovery.status == 201
    assert loans_made(server) == 1


@pytest.mark.parametrize("outage", [refusing, killed], ids=["refusing", "killed"])
def test_a_check_is_answered_as_soon_as_the_database_is_no_longer(
    outage: Outage, service: Service, server: Server, proxy: Proxy, database: Database
) -> None:
    with outage(server, proxy, database):
        service.check(UNCACHED)

    answer = service.check(UNCACHED)

    assert (answer.status, answer.body["credit_score"]) == (200, 48)


@pytest.mark.parametrize("post", [Service.check, Service.create])
def test_a_frozen_database_is_given_up_after_one_timeout(
    post: Post, service: Service, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the real waits would use up the function's time."""
    timeout_seconds = 1.2
    hasty = replace(wiring.patience, table_wait=0, lock_wait=1, database_reply=timeout_seconds)
    use_patience(monkeypatch, replace(hasty, database_connect=timeout_seconds))
    with wired({}, monkeypatch):
        post(service, NOBODY)  # opens the connection
        server.pause()
        try:
            started_at = time.monotonic()
            on_kept_connection = post(service, UNCACHED)
            given_up_at = time.monotonic()
            on_new_connection = post(service, UNCACHED)
            given_up_again_at = time.monotonic()
        finally:
            server.resume()
        after_recovery = post(service, UNCACHED)

    assert_unavailable(on_kept_connection)
    assert_unavailable(on_new_connection)
    assert given_up_at - started_at < 2 * timeout_seconds
    assert given_up_again_at - given_up_at < 2 * timeout_seconds
    assert after_recovery.status in {200, 201}


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_connection_killed_while_idle_costs_no_request(service: Service, database: Database) -> None:
    kill_connections(database)
    check = service.check(UNCACHED)
    kill_connections(database)
    loan = service.create(CACHED)

    assert check.status == 200
    assert loan.status == 201


def test_the_rest_of_a_lost_transaction_is_not_executed(database: Database) -> None:
    """On another connection it would commit alone, without the first part."""
    settings = Settings.from_env(database.environment)
    connection = mysql_connection.MySQLConnection(settings, database_login(settings, Patience()), Patience())
    statement = "INSERT INTO cache_invalidations (customer_id) VALUES (%(customer_id)s)"
    with connection.transaction() as transaction:
        transaction.execute(statement, {"customer_id": CACHED})
        kill_connections(database)
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                transaction.execute(statement, {"customer_id": UNCACHED})
    connection.query("SELECT 1", {})
    connection.close()

    assert database.execute("SELECT customer_id FROM cache_invalidations") == ()


def test_a_connection_killed_while_it_waits_for_the_customer_costs_no_request(
    service: Service, server: Server, database: Database
) -> None:
    database.connection.begin()
    database.execute(LOCK_CUSTOMER, [UNCACHED])

    def kill_and_unlock() -> None:
        while not database.execute(WAITING_FOR_CUSTOMER):
            time.sleep(0.02)
        kill_connections(database)
        database.connection.rollback()

    helper = threading.Thread(target=kill_and_unlock)
    helper.start()
    loan = service.create(UNCACHED)
    helper.join()

    assert loan.status == 201
    assert loans_made(server) == 1


def test_a_decline_leaves_the_customer_unlocked(service: Service, database: Database) -> None:
    declined = service.create(UNCACHED, loan_amount=TOO_MUCH)

    assert declined.status == 200
    assert database.execute(f"{LOCK_CUSTOMER} NOWAIT", [UNCACHED]) == ((1,),)


def test_a_connection_idle_for_too_long_is_replaced(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.create(NOBODY)  # one to read and one to lend
    first = connections_of_service(database)
    use_patience(monkeypatch, replace(wiring.patience, database_idle=-1))
    check = service.check(UNCACHED)
    second = connections_of_service(database)
    loan = service.create(CACHED)
    third = connections_of_service(database)

    assert (check.status, loan.status) == (200, 201)
    assert len(first) == len(second) == len(third) == 2
    assert len(first | second | third) == 4


# --- logins -----------------------------------------------------------------------------------------------------------


class Secret:
    """A secret in Secrets Manager that has another password every time it is fetched."""

    def __init__(self, user: str, *passwords: str) -> None:
        self._user = user
        self._passwords = list(passwords)
        self.fetched = 0

    def current(self) -> SimpleNamespace:
        return SimpleNamespace(user=self._user, password=self._passwords[self.fetched])

    def renewed(self) -> SimpleNamespace:
        self.fetched += 1
        return self.current()


def test_a_rotated_password_is_fetched_again(service: Service, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret(server.environment["DB_USER"], "old", server.environment["DB_PASSWORD"])
    monkeypatch.setattr(aws_secrets, "SecretsManagerLogin", lambda *_, **__: secret)

    with wired({"DB_SECRET_ID": "database"}, monkeypatch):
        check = service.check(UNCACHED)
        loan = service.create(CACHED)

    assert (check.status, loan.status) == (200, 201)
    assert secret.fetched == 1


@pytest.mark.parametrize("post", [Service.check, Service.create])
def test_a_password_refused_again_is_an_outage(
    post: Post, service: Service, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Secret(server.environment["DB_USER"], "old", "older", "oldest")
    monkeypatch.setattr(aws_secrets, "SecretsManagerLogin", lambda *_, **__: secret)

    with wired({"DB_SECRET_ID": "database"}, monkeypatch):
        answer = post(service, UNCACHED)

    assert_unavailable(answer)
    assert secret.fetched == 1


# --- there, but not for this ------------------------------------------------------------------------------------------


def test_a_loan_waits_for_a_server_that_may_write(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_container():
        pytest.skip("a server's data ends with its container")
    with start_mysql(tmp_path) as writer, connect(writer.environment) as connection:
        migrate(connection)
        Database(writer.environment, connection).add_customer(UNCACHED, CUSTOMER, [a_loan()] * 3)
        writer.stop()

        with start_mysql(tmp_path, writer.port, "--read-only") as reader, wired(reader.environment, monkeypatch):
            check = service.check(UNCACHED)
            loan = service.create(UNCACHED)
            loans = loans_made(reader)

    assert check.status == 200
    assert_unavailable(loan)
    assert loans == -3


def test_a_customer_locked_by_another_is_waited_for_and_then_left(
    service: Service, server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_patience(monkeypatch, replace(wiring.patience, table_wait=0, lock_wait=1))
    database.connection.begin()
    database.execute(LOCK_CUSTOMER, [UNCACHED])

    check = service.check(UNCACHED)
    started_at = time.monotonic()
    loan = service.create(UNCACHED)
    waited_seconds = time.monotonic() - started_at
    loan_of_another = service.create(CACHED)
    database.connection.rollback()
    loan_afterwards = service.create(UNCACHED)

    assert check.status == 200, "reading waits for nobody"
    assert loan.status == 409
    assert loan.body["type"] == "/problems/request-in-progress"
    assert int(loan.headers["retry-after"]) >= 1
    assert waited_seconds > wiring.patience.lock_wait - 0.5
    assert loan_of_another.status == 201, "the connection is of use, and the transaction is over"
    assert loan_afterwards.status == 201
    assert loans_made(server) == 2


@pytest.mark.parametrize("held", ["LOCK TABLES customers READ, loans READ", "LOCK TABLES customers WRITE, loans WRITE"])
def test_a_lock_that_is_no_customers_is_a_busy_store(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """A backup or a migration: another request of this customer has nothing to do with it."""
    use_patience(monkeypatch, replace(wiring.patience, table_wait=1, lock_wait=2))
    service.create(NOBODY)
    with connect(database.environment) as other, other.cursor() as cursor:
        cursor.execute(held)
        loan = service.create(UNCACHED)
        cursor.execute("UNLOCK TABLES")
    afterwards = service.create(UNCACHED)

    assert_unavailable(loan)
    assert afterwards.status == 201
