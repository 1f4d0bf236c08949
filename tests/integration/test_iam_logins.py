"""Cache and database are entered by tokens that AWS's own signer would make, over verified TLS alone."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pymysql
import pytest
import redis

from lending import clock, wiring
from lending.adapters.aws_credentials import current_credentials
from lending.adapters.aws_iam import cache_iam_login
from lending.adapters.logins import GivenLogin, Login, LoginUnavailableError
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_jobs import connect, query_on
from lending.config import Settings
from lending.patience import Patience
from local.servers.server import Server
from testkit.certificates import CERTIFIED_HOST
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.iam import IN_LAMBDA, KEYS, REGION, CacheDoor, DatabaseDoor, Door, opened
from testkit.service import TODAY, Service, use_patience, wired
from testkit.waiting import eventually

ASHA = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
FUNCTIONS = "lending_functions"
VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_REGION", "DB_USER", "DB_PASSWORD", "DB_SECRET_ID", *IN_LAMBDA)


@pytest.fixture(autouse=True)
def lambdas_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What Lambda gives to a function to sign with, and nothing of this machine's."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in IN_LAMBDA.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def cache(redis_server: Server, tmp_path: Path) -> Iterator[Door]:
    with opened(CacheDoor, "lending-1a2b", redis_server.environment, tmp_path / "cache") as door:
        yield door


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Iterator[Door]:
    with opened(DatabaseDoor, FUNCTIONS, database.environment, tmp_path / "database") as door:
        yield door


def to_cache(door: Door, folder: Path) -> dict[str, str]:
    return {
        "REDIS_HOST": CERTIFIED_HOST,
        "REDIS_PORT": str(door.port),
        "REDIS_DB": "1",
        "REDIS_TLS": "true",
        "REDIS_TLS_CA": str(folder / "cache/ca.pem"),
        "REDIS_IAM_USER": "lending-1a2b",
        "REDIS_IAM_CACHE": CacheDoor.cache,
    }


def to_store(door: Door, behind: Mapping[str, str], folder: Path) -> dict[str, str]:
    return {
        "DB_HOST": CERTIFIED_HOST,
        "DB_PORT": str(door.port),
        "DB_NAME": behind["DB_NAME"],
        "DB_TLS_CA": str(folder / "database/ca.pem"),
        "DB_IAM_USER": FUNCTIONS,
    }


@pytest.fixture
def environment(cache: Door, store: Door, tmp_path: Path) -> dict[str, str]:
    return to_cache(cache, tmp_path) | to_store(store, store.behind, tmp_path)


@pytest.fixture
def service(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(wiring, "today", lambda: TODAY)
    use_patience(monkeypatch, Patience.relaxed())
    with wired(environment, monkeypatch):
        yield Service()


def test_both_stores_are_entered_by_tokens_signed_in_lambda(
    service: Service, cache: Door, store: Door, database: Database
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)

    first, second, lent = service.check(1001), service.check(1001), service.create(1001)

    assert [answer.status for answer in (first, second, lent)] == [200, 200, 201]
    assert [answer.cache_status for answer in (first, second)] == ["fwd=miss; stored", "hit"]
    assert (len(cache.entered), len(store.entered)) == (1, 2), "a connection to read and one to lend"
    assert cache.refused == store.refused == []


def test_a_token_serves_for_ten_minutes_of_its_fifteen(
    service: Service, store: Door, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    service.create(1001)
    wiring.lending_database().close()
    service.create(1001)
    first = set(store.entered)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "renewed")
    monkeypatch.setattr(clock, "seconds_since", lambda _: 601.0)
    monkeypatch.setattr("testkit.iam.KEYS", (*KEYS[:2], "renewed"))
    wiring.lending_database().close()
    service.create(1001)

    assert len(first) == 1
    assert len(set(store.entered)) == 2
    assert store.refused == [], "nobody came with one that was too old"


def test_a_migration_or_an_import_from_a_machine_enters_so_too(store: Door, tmp_path: Path) -> None:
    settings = Settings.from_env(to_store(store, store.behind, tmp_path))

    with connect(settings) as connection:
        assert query_on(connection)("SELECT COUNT(*) FROM customers") == ((0,),)

    assert len(store.entered) == 1


def test_a_refused_token_is_signed_anew_once(
    service: Service, store: Door, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another's")

    refused = service.create(1001)
    shown = len(store.refused)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS[1])
    accepted = service.create(1001)

    assert (refused.status, refused.body["type"]) == (503, "/problems/store-unavailable")
    assert shown == 2
    assert accepted.status == 201


def test_a_cache_that_refuses_the_token_is_told_as_a_mistake(
    cache: Door, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another's")
    use_patience(monkeypatch, Patience.relaxed())

    with wired(database.environment | to_cache(cache, tmp_path), monkeypatch):
        answer = Service().check(1001)

    assert (answer.status, answer.cache_status) == (200, "fwd=bypass; detail=misconfigured")
    assert cache.entered == []


def test_a_login_to_the_cache_that_takes_too_long_is_left_to_the_next_request(
    service: Service, cache: Door, database: Database
) -> None:
    """IAM may take longer than a request waits; on connection after connection nobody would ever get in."""
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    database.add_customer(1002, ASHA, [a_loan()] * 3)
    cache.checks.clear()

    meanwhile = service.check(1001)
    cache.checks.set()
    afterwards = [service.check(1002).cache_status for _ in range(2)]

    assert (meanwhile.status, meanwhile.cache_status) == (200, "fwd=bypass; detail=unavailable")
    assert afterwards == ["fwd=miss; stored", "hit"]
    assert len(cache.entered) == 1


def test_what_a_loan_tells_the_cache_meanwhile_counts_once_it_lets_in(
    service: Service, cache: Door, database: Database, redis_client: redis.Redis
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    redis_client.set("credit_score:1001", "an older score")
    cache.checks.clear()

    lent = service.create(1001)
    cache.checks.set()

    assert lent.status == 201
    assert eventually(lambda: redis_client.get("credit_score:1001") is None, 5)
    assert len(cache.entered) == 1


def test_a_login_that_is_never_answered_is_begun_anew(
    service: Service, cache: Door, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    use_patience(monkeypatch, replace(Patience.relaxed(), cache_login=0))
    cache.checks.clear()

    service.check(1001)
    service.check(1001)
    cache.checks.set()

    assert eventually(lambda: len(cache.entered) == 2, 5)


@pytest.mark.parametrize(
    ("login", "refused"),
    [("by IAM", "SSL is required"), ("by a password", "asks for the password in clear text")],
)
def test_no_password_goes_out_in_clear_text_to_a_server_that_is_not_verified(
    login: str, refused: str, database: Database, tmp_path: Path
) -> None:
    """The driver alone would send it to any server that asks."""
    with opened(DatabaseDoor, FUNCTIONS, database.environment, tmp_path / "database", tls=False) as door:
        environment = to_store(door, database.environment, tmp_path)
        if login == "by a password":
            environment |= {"DB_IAM_USER": "", "DB_TLS_CA": "", "DB_USER": FUNCTIONS}
        connection = MySQLConnection(Settings.from_env(environment), GivenLogin(FUNCTIONS, "swordfish"), Patience())

        with pytest.raises(pymysql.OperationalError, match=refused):
            connection.query("SELECT 1", {})

        assert door.refused == []
        assert door.entered == []


@pytest.fixture
def endpoint() -> Iterator[HTTPServer]:
    """What SnapStart has in place of variables."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = (self.path, self.headers["Authorization"]) == ("/v1/credentials?", "secret of the environment")
            names = ("AccessKeyId", "SecretAccessKey", "Token")
            document = dict(zip(names, KEYS, strict=True)) if known else {"code": "Forbidden"}
            self.send_response(200 if known else 403)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_with_snapstart_the_credentials_come_from_the_environments_endpoint(
    endpoint: HTTPServer, lambdas_variables: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        lambdas_variables.delenv(name)
    url = f"http://127.0.0.1:{endpoint.server_port}/v1/credentials"
    lambdas_variables.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    lambdas_variables.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret of the environment")

    assert current_credentials(5) == (*KEYS, REGION)

    lambdas_variables.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a guess")
    with pytest.raises(LoginUnavailableError, match="could not be fetched: KeyError"):
        current_credentials(5)
    endpoint.server_close()
    with pytest.raises(LoginUnavailableError, match="could not be fetched: Connection"):
        current_credentials(5)


def test_elsewhere_botocore_finds_the_credentials(tmp_path: Path, lambdas_variables: pytest.MonkeyPatch) -> None:
    for name in IN_LAMBDA:
        lambdas_variables.delenv(name)
    with pytest.raises(LoginUnavailableError, match="no AWS credentials"):
        current_credentials(1)
    (tmp_path / "config").write_text(
        f"[default]\nregion = {REGION}\naws_access_key_id = {KEYS[0]}\naws_secret_access_key = {KEYS[1]}\n"
    )
    lambdas_variables.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    assert current_credentials(1) == (*KEYS[:2], "", REGION)

    lambdas_variables.setenv("AWS_PROFILE", "another")
    with pytest.raises(LoginUnavailableError, match="could not be found: ProfileNotFound"):
        current_credentials(1)


@pytest.mark.parametrize(("serverless", "asked"), [("true", ["ServerlessCache"]), ("false", None)])
def test_a_serverless_cache_is_asked_for_as_such(
    serverless: str, asked: list[str] | None, cache: Door, tmp_path: Path
) -> None:
    environ = {"DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u"} | to_cache(cache, tmp_path)
    settings = Settings.from_env(environ | {"REDIS_IAM_SERVERLESS": serverless, "REDIS_IAM_CACHE": "Lending-Scores"})

    token = cache_iam_login("lending-1a2b", settings, Patience()).current().password

    assert token.startswith("lending-scores/?Action=connect&User=lending-1a2b&")
    assert parse_qs(token).get("ResourceType") == asked


def test_without_a_region_there_is_no_login(service: Service, lambdas_variables: pytest.MonkeyPatch) -> None:
    lambdas_variables.delenv("AWS_REGION")

    assert service.check(1001).status == 503


def test_a_login_shows_no_token() -> None:
    assert repr(Login(FUNCTIONS, "token")) == "Login(user='lending_functions')"
