"""With DB_TLS_CA, the database must show a certificate of that authority for its own name, or gets no login."""

from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from lending.adapters.logins import GivenLogin
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_jobs import connect
from lending.config import InvalidSettingError, Settings
from lending.errors import StoreUnavailableError
from lending.patience import Patience
from local.servers.mysql_server import in_container, start_mysql
from local.servers.server import Server
from testkit.certificates import CERTIFIED_HOST, Authority
from testkit.database import Database

OTHER_HOST = "127.0.0.1"
"""The same server by a name that its certificate lacks."""

CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder / "ca.pem")


@pytest.fixture(scope="module")
def server(folder: Path, authority: Authority) -> Iterator[Server]:
    """A server with a certificate of the authority for CERTIFIED_HOST."""
    if in_container():
        pytest.skip("a server in a container cannot read this machine's files")
    certificate, key = folder / "server.pem", folder / "server-key.pem"
    authority.certify(CERTIFIED_HOST, certificate, key)
    with start_mysql(folder / "mysql", None, f"--ssl-cert={certificate}", f"--ssl-key={key}") as started:
        yield started


def cipher(environment: dict[str, str], host: str, authority: Authority) -> str:
    """Connect as the service does and return the connection's cipher."""
    settings = Settings.from_env(environment | {"DB_HOST": host, "DB_TLS_CA": str(authority.certificate)})
    connection = MySQLConnection(settings, GivenLogin(environment["DB_USER"], environment["DB_PASSWORD"]), Patience())
    try:
        ((_, name),) = connection.query(CIPHER, {})
    finally:
        connection.close()
    return str(name)


def test_the_right_authority_and_name_make_an_encrypted_connection(server: Server, authority: Authority) -> None:
    assert cipher(server.environment, CERTIFIED_HOST, authority)


def test_a_certificate_of_another_authority_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError) as refused:
        cipher(server.environment, CERTIFIED_HOST, Authority(tmp_path / "other.pem"))

    assert "certificate verify failed" in str(refused.value.__cause__)


def test_a_certificate_for_another_name_is_refused(server: Server, authority: Authority) -> None:
    with pytest.raises(StoreUnavailableError) as refused:
        cipher(server.environment, OTHER_HOST, authority)

    assert "mismatch" in str(refused.value.__cause__)


def test_migrations_and_imports_verify_it_as_well(server: Server, authority: Authority) -> None:
    verified = server.environment | {"DB_TLS_CA": str(authority.certificate)}

    with (
        connect(Settings.from_env(verified | {"DB_HOST": CERTIFIED_HOST})) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(CIPHER)
        assert cursor.fetchall()[0][1]
    with pytest.raises(pymysql.OperationalError, match="mismatch"):
        connect(Settings.from_env(verified | {"DB_HOST": OTHER_HOST}))


def test_a_missing_bundle_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match="DB_TLS_CA: there is no"):
        connect(Settings.from_env(server.environment | {"DB_TLS_CA": str(tmp_path / "none.pem")}))


def test_a_server_without_a_certificate_of_the_authority_is_refused(database: Database, authority: Authority) -> None:
    # MariaDB has no certificate by default; MySQL makes its own.
    with pytest.raises((pymysql.OperationalError, StoreUnavailableError)):
        cipher(database.environment, database.environment["DB_HOST"], authority)
