"""A private database server whose account may make other accounts, for tests of what narrower ones may do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from db.accounts import Accounts
from local.servers.mysql_server import ADMINISTRATOR, find_mysql, start_mysql
from testkit.database import connect

PASSWORD = "narrow"  # noqa: S105 - of a throwaway account


def accounts_for_tests(suffix: str = "") -> Accounts:
    """Return accounts with a password, since servers of one's own have no plug-in of AWS's."""
    names = (f"lending_{name}{suffix}" for name in ("owner", "functions", "importer"))
    return Accounts(f"BY '{PASSWORD}'", *names)


def as_administrator(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables DB_* of who may make accounts on a server: of ours, or the given one."""
    administrator = {**environment, "DB_USER": ADMINISTRATOR}
    try:
        connect(administrator).close()
    except pymysql.OperationalError:
        return dict(environment)
    return administrator


@contextmanager
def mysql_with(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Start a server with options of its own; yield the variables DB_* that lead to it."""
    if find_mysql() is None:
        pytest.skip("a server in a container takes no options of a test")
    with start_mysql(folder, None, *options) as server:
        yield server.environment


@contextmanager
def administered_mysql(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Start a server whose account may do everything; yield the variables DB_* that lead to it."""
    if find_mysql() is None:
        pytest.skip("a server in a container takes no options of a test")
    with start_mysql(folder, None, *options) as server:
        user = server.environment["DB_USER"]
        with (folder / "accounts.sql").open("a") as accounts:  # which the server carries out at each start
            accounts.write(f"GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n")
        server.stop()
        server.start()
        yield server.environment


@contextmanager
def account(environment: Mapping[str, str], name: str, *grants: str) -> Iterator[dict[str, str]]:
    """Make an account with these grants; yield the variables DB_* to log in as it."""
    with connect(environment) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {name} IDENTIFIED BY '{PASSWORD}'")
        try:
            for grant in grants:
                cursor.execute(f"GRANT {grant} TO {name}")
            yield {**environment, "DB_USER": name, "DB_PASSWORD": PASSWORD}
        finally:
            cursor.execute(f"DROP USER {name}")
