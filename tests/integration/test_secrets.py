"""Logins from Secrets Manager are fetched when needed, kept while warm, and fetched again when refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
import redis
from moto import mock_aws
from mypy_boto3_secretsmanager import SecretsManagerClient

from db.migrate import migrate
from lending import wiring
from lending.adapters.aws_secrets import SecretsManagerLogin
from lending.patience import Patience
from local.servers.mysql_server import start_mysql
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Customer, a_loan
from testkit.service import TODAY, Answer, Service, use_patience, wired

DB_SECRET, REDIS_SECRET = "lending/database", "lending/cache"  # names, not secrets

ASHA = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))


class Secrets:
    """Secrets Manager in memory."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client
        self.fetched = 0
        """How often the service has asked for a secret."""

    def put(self, secret_id: str, text: str) -> None:
        try:
            self._client.create_secret(Name=secret_id, SecretString=text)
        except self._client.exceptions.ResourceExistsException:
            self._client.put_secret_value(SecretId=secret_id, SecretString=text)

    def put_binary(self, secret_id: str, content: bytes) -> None:
        self._client.create_secret(Name=secret_id, SecretBinary=content)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        secrets = Secrets(boto3.client("secretsmanager"))
        fetch = SecretsManagerLogin._fetch

        def counted(login: SecretsManagerLogin) -> object:
            secrets.fetched += 1
            return fetch(login)

        monkeypatch.setattr(SecretsManagerLogin, "_fetch", counted)
        yield secrets


@pytest.fixture
def asha(database: Database) -> int:
    """A customer with three repaid loans."""
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    return 1001


def login_of(server: Database | Server, **other: object) -> str:
    """Return the secret that RDS would have for a server."""
    environment = server.environment
    return json.dumps({"username": environment["DB_USER"], "password": environment["DB_PASSWORD"]} | other)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The day is TODAY, and Redis may be slow: outages have their own tests."""
    monkeypatch.setattr(wiring, "today", lambda: TODAY)
    # Tests rotate faster than anybody else.
    use_patience(monkeypatch, replace(Patience.relaxed(), cache_connect=2, login_refetch=-1, cache_login_retry=-1))
    return monkeypatch


@pytest.fixture
def service(database: Database, redis_server: Server, patient: pytest.MonkeyPatch) -> Iterator[Service]:
    """The handlers on the real stores, with the secret as the only login for the database."""
    for name in ("DB_USER", "DB_PASSWORD"):
        patient.delenv(name, raising=False)
    places = {name: value for name, value in database.environment.items() if name not in {"DB_USER", "DB_PASSWORD"}}
    with wired(places | redis_server.environment | {"DB_SECRET_ID": DB_SECRET}, patient):
        yield Service()


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.body["type"]) == (503, "/problems/store-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "secret" not in str(answer.body).lower()


def test_the_database_is_entered_by_the_secret(
    service: Service, secrets: Secrets, database: Database, asha: int
) -> None:
    """RDS's form has more fields than a login."""
    secrets.put(DB_SECRET, login_of(database, engine="mysql", host="elsewhere", port=1))

    assert service.check(asha).status == 200
    assert service.create(asha).status == 201


def test_a_secret_is_fetched_once_while_warm(service: Service, secrets: Secrets, database: Database, asha: int) -> None:
    secrets.put(DB_SECRET, login_of(database))

    for _ in range(3):
        assert service.create(asha).status == 201
        wiring.lending_database().close()

    assert secrets.fetched == 1


def test_a_hit_needs_no_secret(service: Service, secrets: Secrets, database: Database, asha: int) -> None:
    secrets.put(DB_SECRET, login_of(database))
    service.check(asha)
    wiring.close()

    assert service.check(asha).cache_status == "hit"
    assert secrets.fetched == 1, "by the first check"


def test_without_the_secret_the_store_is_unavailable_until_it_is_there(
    service: Service, secrets: Secrets, database: Database, asha: int
) -> None:
    before = service.check(asha)
    secrets.put(DB_SECRET, login_of(database))
    after = service.check(asha)

    assert_unavailable(before)
    assert after.status == 200


@pytest.mark.parametrize(
    "text",
    [
        "correct horse",
        "[]",
        "5",
        '"text"',
        "null",
        "{}",
        '{"username": "lending"}',
        '{"password": "swordfish"}',
        '{"username": "nobody", "password": "swordfish"}',
        '{"username": null, "password": null}',
        '{"username": 5, "password": 6}',
        '{"username": "", "password": ""}',
    ],
)
@pytest.mark.usefixtures("asha")
def test_a_secret_that_is_no_login_makes_the_store_unavailable(service: Service, secrets: Secrets, text: str) -> None:
    secrets.put(DB_SECRET, text)

    assert_unavailable(service.check(1001))
    assert_unavailable(service.create(1001))


@pytest.mark.usefixtures("asha")
def test_a_binary_secret_is_no_login(service: Service, secrets: Secrets, database: Database) -> None:
    secrets.put_binary(DB_SECRET, login_of(database).encode())

    assert_unavailable(service.check(1001))


@pytest.mark.usefixtures("asha", "secrets")
def test_without_a_region_the_store_is_unavailable(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    assert_unavailable(service.check(1001))


@pytest.fixture
def rotating(tmp_path: Path, patient: pytest.MonkeyPatch, redis_server: Server) -> Iterator[Database]:
    """The test's own server with a customer, whose password the test may change; the handlers are wired to it."""
    with start_mysql(tmp_path / "mysql") as server, connect(server.environment) as connection:
        migrate(connection)
        database = Database(server.environment, connection)
        database.add_customer(1001, ASHA, [a_loan()] * 3)
        environment = server.environment | redis_server.environment | {"DB_SECRET_ID": DB_SECRET}
        with wired(environment | {"DB_USER": "", "DB_PASSWORD": ""}, patient):
            yield database


def change_password(database: Database, password: str) -> None:
    ((version,),) = database.execute("SELECT VERSION()")
    database.execute("SET PASSWORD = PASSWORD(%s)" if "MariaDB" in version else "SET PASSWORD = %s", [password])


def test_a_rotated_password_is_fetched_afresh_once(rotating: Database, secrets: Secrets) -> None:
    service = Service()
    secrets.put(DB_SECRET, login_of(rotating))
    service.create(1001)

    change_password(rotating, "rotated")
    secrets.put(DB_SECRET, login_of(rotating, password="rotated"))
    on_the_old_connection = service.create(1001)
    fetched_for_the_old_password = secrets.fetched
    wiring.lending_database().close()
    on_a_new_connection = service.create(1001)
    wiring.lending_database().close()
    and_another = service.create(1001)

    assert [answer.status for answer in (on_the_old_connection, on_a_new_connection, and_another)] == [201, 201, 201]
    assert fetched_for_the_old_password == 1
    assert secrets.fetched == 2

    # In the middle of the next rotation the server is ahead of the secret.
    change_password(rotating, "rotated again")
    wiring.lending_database().close()
    in_between = service.create(1001)
    secrets.put(DB_SECRET, login_of(rotating, password="rotated again"))
    afterwards = service.create(1001)

    assert_unavailable(in_between)
    assert afterwards.status == 201


def test_a_login_that_stays_wrong_is_not_fetched_for_every_request(
    rotating: Database, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_patience(monkeypatch, replace(wiring.patience, login_refetch=60))
    secrets.put(DB_SECRET, login_of(rotating, password="wrong"))

    answers = [Service().create(1001) for _ in range(3)]

    assert [answer.status for answer in answers] == [503, 503, 503]
    assert secrets.fetched == 1


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[Server]:
    """The test's own Redis, which needs a password."""
    with start_redis(tmp_path / "redis") as server:
        with redis.Redis(host=server.host, port=server.port) as client:
            client.config_set("requirepass", "swordfish")
        yield server


def test_the_cache_is_entered_by_its_secret_and_after_a_rotation_by_the_new_one(
    database: Database, asha: int, guarded_redis: Server, secrets: Secrets, patient: pytest.MonkeyPatch
) -> None:
    environment = database.environment | guarded_redis.environment | {"REDIS_SECRET_ID": REDIS_SECRET}
    with (
        wired(environment, patient),
        redis.Redis(host=guarded_redis.host, port=guarded_redis.port, password="swordfish") as client,
    ):
        service = Service()
        without_secret = service.check(asha)
        secrets.put(REDIS_SECRET, json.dumps({"username": "default", "password": "swordfish"}))
        first, second = service.check(asha), service.check(asha)
        client.config_set("requirepass", "rotated")
        secrets.put(REDIS_SECRET, json.dumps({"username": "default", "password": "rotated"}))
        wiring.redis_connection().close()
        third = service.check(asha)

    assert without_secret.status == 200
    assert (without_secret.cache_status or "").startswith("fwd=bypass")
    assert [answer.cache_status for answer in (first, second, third)] == ["fwd=miss; stored", "hit", "hit"]
    assert secrets.fetched == 3
