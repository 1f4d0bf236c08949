"""The database connection of migrations and imports: entered as the service enters, with the time that they take."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql

from lending.adapters.logins import LoginUnavailableError, database_login
from lending.adapters.mysql_connection import login_options
from lending.config import InvalidSettingError, Settings
from lending.patience import Patience

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

CONNECT_TIMEOUT_SECONDS = 10

Query = Callable[[str], tuple[tuple[Any, ...], ...]]
"""Runs one statement and returns its rows."""


def connect(settings: Settings, **options: Any) -> "pymysql.Connection[Cursor]":
    """Open a connection.

    Args:
        settings: Where the database is and how to log in.
        options: Further options of pymysql.
    Raises:
        InvalidSettingError: There is no such CA bundle.
        LoginUnavailableError: The secret with the login cannot be read.
        pymysql.MySQLError: The database is away or refuses.
    """
    if settings.db_tls_ca and not Path(settings.db_tls_ca).is_file():
        raise InvalidSettingError(f"DB_TLS_CA: there is no {settings.db_tls_ca} here")
    entry = login_options(settings, database_login(settings, Patience()).current())
    connection: pymysql.Connection[Cursor] = pymysql.connect(
        **{"connect_timeout": CONNECT_TIMEOUT_SECONDS, **entry, **options}
    )
    return connection


def query_on(connection: "pymysql.Connection[Cursor]") -> Query:
    """Return what runs a statement on a connection."""

    def query(sql: str) -> tuple[tuple[Any, ...], ...]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    return query


def why_none(exc: LoginUnavailableError | pymysql.MySQLError) -> str:
    """Return in words why the connection failed, without a full stop."""
    cause = f" ({exc.__cause__})" if isinstance(exc, LoginUnavailableError) and exc.__cause__ else ""
    return str(exc.args[-1]).rstrip(".") + cause
