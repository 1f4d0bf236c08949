"""The handlers with a proxy between them and the database."""

from collections.abc import Iterator
from functools import partial

import pymysql
import pytest

from testkit.database import Database
from testkit.proxy import HOST, Proxy
from testkit.service import Service, wired
from tests.money.borrowers import add_borrowers
from tests.money.duplicates import SALARY_FOR_MANY
from tests.money.http_front import Client, http_front

CUSTOMER = 1001


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    """The proxy from the handlers to the database. It recognises statements and can lose them."""
    given = database.environment
    with Proxy(given["DB_HOST"], int(given["DB_PORT"])) as between:
        yield between


@pytest.fixture
def service(service: Service, database: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The handlers with the proxy between them and the database, and one customer to ask about."""
    add_borrowers(database.connection, [CUSTOMER], SALARY_FOR_MANY)
    # If the server has a certificate, the driver encrypts by default.
    monkeypatch.setattr(pymysql, "connect", partial(pymysql.connect, ssl_disabled=True))
    with wired({"DB_HOST": HOST, "DB_PORT": str(proxy.port)}, monkeypatch):
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:  # noqa: ARG001, it has wired the handlers
    """A client of the handlers, over HTTP."""
    with http_front() as front:
        yield front
