"""Real servers for the tests that need them, and handlers that use these servers."""

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis

from db.accounts import grant_all
from db.errors import MigrationError
from db.migrate import migrate
from lending import wiring
from lending.config import Settings
from lending.patience import Patience
from local.sam.secrets_manager import start_secrets_manager
from local.servers.mysql_server import start_mysql
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.accounts import PASSWORD, accounts_for_tests, as_administrator
from testkit.database import Database, connect, own_database
from testkit.s3 import FilesBucket
from testkit.service import TODAY, Service, use_patience, wired

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what runs in the background; the programs that the tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The driver reads all the system's authorities for each connection to MySQL, for some 20 ms, and no test wants any.
ssl.SSLContext.load_default_certs = lambda *_: None  # type: ignore[method-assign]

SWEEP_ONCE = {"SWEEP_SECONDS": "60"}
LONGEST = ("tests/protocol/test_histories.py", "tests/template/test_build.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the private servers of this process."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def mysql_environment(server_folder: Path) -> Iterator[dict[str, str]]:
    """The variables DB_* of the given server, or of a private one if none was given."""
    with ExitStack() as stack:
        given = dict(os.environ)
        if "DB_HOST" not in given:
            given = stack.enter_context(start_mysql(server_folder / "mysql")).environment
        yield {name: value for name, value in given.items() if name.startswith("DB_")}


@pytest.fixture(scope="session")
def migrated_database(mysql_environment: dict[str, str]) -> Iterator[Database]:
    """The database that most tests of this process share."""
    with own_database(mysql_environment, "test") as database:
        migrate(database.connection)
        yield database


@pytest.fixture
def database(migrated_database: Database) -> Database:
    """The database of this process, empty."""
    migrated_database.clear()
    return migrated_database


@pytest.fixture(scope="session")
def narrow_logins(migrated_database: Database) -> dict[str, dict[str, str]]:
    """The logins of the functions and the importer, which may do what they need; on a given server perhaps its own."""
    environment, accounts = as_administrator(migrated_database.environment), accounts_for_tests()
    try:
        with connect(environment) as connection:
            grant_all(connection, Settings.from_env(environment), accounts)
    except MigrationError:
        return {"functions": {}, "importer": {}}
    return {
        "functions": {"DB_USER": accounts.functions, "DB_PASSWORD": PASSWORD},
        "importer": {"DB_USER": accounts.importer, "DB_PASSWORD": PASSWORD},
    }


@pytest.fixture(scope="session")
def session_redis(server_folder: Path) -> Iterator[Server]:
    """A private Redis of this process. Tests flush it, freeze it and read its statistics."""
    with start_redis(server_folder / "redis") as server:
        yield server


@pytest.fixture
def redis_server(session_redis: Server) -> Server:
    """The Redis of this process, empty."""
    with redis.Redis(host=session_redis.host, port=session_redis.port) as client:
        client.flushall()
    return session_redis


@pytest.fixture
def redis_client(redis_server: Server) -> Iterator[redis.Redis]:
    """The test's own client to the same Redis, DB 1."""
    with redis.Redis(host=redis_server.host, port=redis_server.port, db=1) as client:
        yield client


@pytest.fixture(scope="session")
def session_aws(server_folder: Path) -> Iterator[Server]:
    """What plays AWS for this process: Secrets Manager and S3."""
    with start_secrets_manager(server_folder / "aws") as server:
        yield server


@pytest.fixture
def aws(session_aws: Server) -> Server:
    """The AWS of this process, empty."""
    urlopen(f"http://{session_aws.host}:{session_aws.port}/moto-api/reset", b"").close()
    return session_aws


@pytest.fixture
def service(
    database: Database,
    narrow_logins: dict[str, dict[str, str]],
    redis_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Service]:
    """The handlers on the real database, as the functions' account, and the real Redis, on the day TODAY."""
    monkeypatch.setattr(wiring, "today", lambda: TODAY)
    # A busy machine may well be slower than a cache that is worth its while; outages have tests of their own.
    use_patience(monkeypatch, Patience.relaxed())
    # A test that refreshes the cache sweeps once, and not for a minute.
    stores = database.environment | narrow_logins["functions"] | redis_server.environment
    with wired(stores | SWEEP_ONCE, monkeypatch):
        yield Service()


@pytest.fixture
def bucket(
    database: Database,
    narrow_logins: dict[str, dict[str, str]],
    redis_server: Server,
    aws: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FilesBucket]:
    """The stack's bucket, and the import function wired to it, to an empty database and to an empty Redis."""
    files = FilesBucket(aws)
    stores = database.environment | narrow_logins["importer"] | redis_server.environment
    with wired(stores | files.environment, monkeypatch):
        yield files
