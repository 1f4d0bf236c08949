"""What servers and proxies refuse with, at every place where they can: nothing that passes is an error of ours."""

import logging
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pymysql
import pytest
import redis

from db.errors import MigrationError
from db.migrate import migrate
from lending import wiring
from lending.adapters.mysql_errors import BUSY, CONNECTION_LOST, NOT_THE_WRITER
from lending.observability import logger
from lending.patience import Patience
from local.servers.mysql_server import ADMINISTRATOR, USER, start_mysql
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Customer, a_loan
from testkit.proxy import Action, Fate, Proxy
from testkit.service import Answer, Service, use_patience, wired

ASHA, BIRGIT = 1001, 1002
SALARIED = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))

NAMED_IN_DESIGN = {9501, 9001, 1792, 1290, 1836, 1040, 1041, 1135, 1047, 3101}
PASSING = sorted(CONNECTION_LOST | NOT_THE_WRITER | BUSY | NAMED_IN_DESIGN)

LOCK, SELECT, INSERT, COMMIT = b"FOR UPDATE", b"SUM(l.emis_paid_on_time)", b"INSERT INTO loans", b"\x03COMMIT"
"""What tells the statements of a loan apart on the wire."""


def refusal(code: int, sequence: int = 1) -> bytes:
    """Return the packet with which a server refuses a statement."""
    body = b"\xff" + code.to_bytes(2, "little") + b"#HY000" + b"refused by the test"
    return len(body).to_bytes(3, "little") + bytes([sequence]) + body


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    """What the service takes for the database."""
    with Proxy(database.environment["DB_HOST"], int(database.environment["DB_PORT"])) as proxy:
        yield proxy


@pytest.fixture
def service(
    service: Service,
    database: Database,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Service]:
    """The handlers behind the proxy, with a kept connection."""
    caplog.set_level(logging.CRITICAL, logger=logger.name)  # hundreds of tracebacks take seconds
    for customer_id in (ASHA, BIRGIT):
        database.add_customer(customer_id, SALARIED, [a_loan()] * 3)
    monkeypatch.setattr(wiring, "pause", lambda _: None)
    # If the server has a certificate, the driver encrypts by default, and no proxy could answer in its place.
    monkeypatch.setattr(pymysql, "connect", partial(pymysql.connect, ssl_disabled=True))
    with wired({"DB_PORT": str(proxy.port)}, monkeypatch):
        service.check(BIRGIT)
        yield service


def refuse(proxy: Proxy, statement: bytes, code: int) -> None:
    """Refuse each such statement in the server's place."""
    proxy.on_request = lambda piece: refusal(code) if statement in piece else Action.PASS


def refuse_one(proxy: Proxy, statement: bytes, code: int, *, done: bool) -> None:
    """Refuse the first such statement; `done` has the server carry it out all the same."""

    def on_request(piece: bytes) -> Fate:
        if statement not in piece:
            return Action.PASS
        proxy.on_request = lambda _: Action.PASS
        if not done:
            return refusal(code)
        proxy.on_reply = on_reply
        return Action.PASS

    def on_reply(_: bytes) -> Fate:
        proxy.on_reply = lambda _: Action.PASS
        return refusal(code)

    proxy.on_request = on_request


def pass_on(proxy: Proxy) -> None:
    proxy.on_request = proxy.on_reply = lambda _: Action.PASS


def loans(database: Database) -> int:
    return int(database.execute("SELECT COUNT(*) - 3 FROM loans WHERE customer_id = %s", [ASHA])[0][0])


def check_asha(service: Service) -> Answer:
    return service.check(ASHA)


def lend_to_asha(service: Service) -> Answer:
    return service.create(ASHA)


PLACES: dict[str, tuple[bytes | None, Callable[[Service], Answer]]] = {
    "at the SELECT of a check": (SELECT, check_asha),
    "when it connects": (None, lend_to_asha),
    "at the lock": (LOCK, lend_to_asha),
    "at the SELECT of a loan": (SELECT, lend_to_asha),
    "at the INSERT": (INSERT, lend_to_asha),
}


@pytest.mark.parametrize(("statement", "ask"), PLACES.values(), ids=PLACES)
def test_a_refusal_that_passes_is_told_as_one(
    statement: bytes | None,
    ask: Callable[[Service], Answer],
    service: Service,
    proxy: Proxy,
    database: Database,
) -> None:
    codes = PASSING if ask is check_asha else sorted(NAMED_IN_DESIGN | {2013})
    answers = {}
    for code in codes:
        if statement is None:
            wiring.database().close()
            proxy.on_reply = partial(refused_to_come_in, code)
        else:
            refuse(proxy, statement, code)
        answers[code] = ask(service)
        pass_on(proxy)
    afterwards = service.create(ASHA)

    told = {code: (answer.status, answer.body.get("type")) for code, answer in answers.items()}
    assert told == dict.fromkeys(codes, (503, "/problems/store-unavailable"))
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers.values())
    assert afterwards.status == 201
    assert loans(database) == 1


def refused_to_come_in(code: int, _: bytes) -> bytes:
    return refusal(code, sequence=0)


@pytest.mark.parametrize("done", [False, True])
def test_what_became_of_a_refused_commit_is_looked_up(
    service: Service, proxy: Proxy, database: Database, *, done: bool
) -> None:
    """Only the first COMMIT is refused. The loan is made one time, whether that one was done or not."""
    statuses, made = {}, {}
    # 1180 is the server's own word for a COMMIT that failed.
    for code in [*PASSING, 1180]:
        refuse_one(proxy, COMMIT, code, done=done)
        statuses[code] = service.create(ASHA, key=f"k{code}", loan_amount=100).status
        pass_on(proxy)
        made[code] = loans(database)

    assert statuses == dict.fromkeys(statuses, 201)
    assert list(made.values()) == list(range(1, len(made) + 1))


def test_a_deadlock_at_the_commit_is_tried_again(service: Service, proxy: Proxy, database: Database) -> None:
    """As Galera tells of a conflict with another node."""
    refuse_one(proxy, COMMIT, 1213, done=False)

    assert service.create(ASHA).status == 201
    assert loans(database) == 1


@pytest.mark.parametrize(("code", "status"), [(1205, 503), (1213, 503)])
@pytest.mark.parametrize("statement", [LOCK, INSERT])
def test_a_conflict_that_comes_at_once_is_worth_another_try(
    code: int, status: int, statement: bytes, service: Service, proxy: Proxy
) -> None:
    """A wait for another request takes three seconds; what ends sooner was for a table."""
    refuse(proxy, statement, code)

    answer = service.create(ASHA)

    assert answer.status == status
    assert int(answer.headers["retry-after"]) >= 1


def test_a_server_that_is_not_the_writer_is_left_at_once(service: Service, proxy: Proxy, database: Database) -> None:
    """Behind the same name, new connections lead to one that is."""
    connections = []
    for code in sorted(NOT_THE_WRITER):
        before = wiring.lending_database()._connection
        refuse_one(proxy, INSERT, code, done=False)
        assert service.create(ASHA, loan_amount=100).status == 201
        connections.append(wiring.lending_database()._connection is before)

    assert not any(connections)
    assert loans(database) == len(connections)


def test_a_refusal_that_does_not_pass_is_an_error(service: Service, proxy: Proxy) -> None:
    statuses = {}
    for code in (1054, 1064, 1142, 1146, 3819):
        refuse(proxy, SELECT, code)
        statuses[code] = service.check(ASHA).status

    assert statuses == dict.fromkeys(statuses, 500)


def test_a_row_for_another_customer_is_never_believed(
    service: Service, proxy: Proxy, database: Database, redis_client: redis.Redis
) -> None:
    proxy.on_reply = lambda piece: piece.replace(b"|1001|", b"|1002|")

    checked, lent = service.check(ASHA), service.create(ASHA)

    assert [checked.status, lent.status] == [500, 500]
    assert loans(database) == 0
    assert b"{" not in redis_client.getrange(f"credit_score:{ASHA}", 0, 0)


# --- servers of their own ---------------------------------------------------------------------------------------------


def test_a_password_may_have_any_letter(tmp_path: Path, redis_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    password = "pässwörd €中"
    use_patience(monkeypatch, Patience.relaxed())
    with start_mysql(tmp_path) as server:
        with connect(server.environment) as connection:
            migrate(connection)
            Database(server.environment, connection).add_customer(ASHA, SALARIED, [a_loan()] * 3)
        administrator = connect(server.environment | {"DB_USER": ADMINISTRATOR})
        administrator.set_character_set("utf8mb4")
        with administrator, administrator.cursor() as cursor:
            cursor.execute(f"ALTER USER '{USER}'@'%%' IDENTIFIED BY %s", [password])
        places = server.environment | redis_server.environment | {"DB_PASSWORD": password}
        with wired(places, monkeypatch):
            assert Service().check(ASHA).status == 200


def test_a_binary_log_by_statement_is_refused_at_migration(tmp_path: Path) -> None:
    """With it, every loan fails (1665), and no check."""
    options = ("--log-bin=binlog", "--server-id=1", "--binlog-format=STATEMENT")
    with (
        start_mysql(tmp_path, None, *options) as server,
        connect(server.environment) as connection,
        pytest.raises(MigrationError, match="binlog_format=STATEMENT"),
    ):
        migrate(connection)


def test_beside_a_binary_log_the_migration_says_what_its_account_lacks(tmp_path: Path) -> None:
    """MySQL wants SUPER or a setting for a trigger, MariaDB as well; either is named."""
    with start_mysql(tmp_path, None, "--log-bin=binlog", "--server-id=1", "--binlog-format=ROW") as server:
        with (
            connect(server.environment) as connection,
            pytest.raises(MigrationError, match="log_bin_trust_function_creators = 1"),
        ):
            migrate(connection)
        administrator = connect(server.environment | {"DB_USER": ADMINISTRATOR})
        with administrator, administrator.cursor() as cursor:
            cursor.execute("SET GLOBAL log_bin_trust_function_creators = 1")
        with connect(server.environment) as connection:
            applied = migrate(connection)

    assert "0004_other_writers" in applied


def test_an_account_without_the_right_to_triggers_is_told_so(tmp_path: Path) -> None:
    with start_mysql(tmp_path) as server:
        administrator = connect(server.environment | {"DB_USER": ADMINISTRATOR})
        with administrator, administrator.cursor() as cursor:
            cursor.execute("CREATE USER 'modest'@'%' IDENTIFIED BY 'modest'")
            rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES"
            cursor.execute(f"GRANT {rights} ON `{server.environment['DB_NAME']}`.* TO 'modest'@'%'")
        with (
            connect(server.environment | {"DB_USER": "modest", "DB_PASSWORD": "modest"}) as connection,
            pytest.raises(MigrationError, match="lacks the TRIGGER privilege"),
        ):
            migrate(connection)


def test_the_oldest_invalidation_is_as_old_as_it_is_where_clocks_are_set_back(
    tmp_path: Path, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Berlin, 2:30 comes twice on 27 October 2024."""
    created_at = 1_729_989_000  # 0:30 UTC, the first 2:30
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        with start_mysql(tmp_path, None, "--default-time-zone=SYSTEM") as server:
            with connect(server.environment) as connection, connection.cursor() as cursor:
                migrate(connection)
                cursor.execute(f"SET timestamp = {created_at}")
                cursor.execute("INSERT INTO cache_invalidations (customer_id) VALUES (1)")
                cursor.execute("SELECT @@system_time_zone")
                assert cursor.fetchall()[0][0] in {"CET", "CEST"}
            with wired(server.environment | redis_server.environment, monkeypatch):
                ages = []
                for seconds in (40, 3640):
                    wiring.database().query(f"SET timestamp = {created_at + seconds}", {})
                    ages.append(wiring.outbox().oldest_seconds())
    finally:
        monkeypatch.undo()
        time.tzset()

    assert ages == [40, 3640]


def test_every_code_is_in_one_set_alone() -> None:
    assert len(CONNECTION_LOST) + len(NOT_THE_WRITER) + len(BUSY) == len(CONNECTION_LOST | NOT_THE_WRITER | BUSY)
    assert CONNECTION_LOST | NOT_THE_WRITER | BUSY >= NAMED_IN_DESIGN
    assert pymysql.err.error_map.get(9501) is None, "the driver has no class of its own for a proxy's codes"
