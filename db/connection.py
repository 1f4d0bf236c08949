"""The database connection of migrations and imports: entered as the service enters, with the time that they take."""

from typing import TYPE_CHECKING, Any

import pymysql

from lending import wiring
from lending.adapters.mysql_connection import tls_options
from lending.config import Settings

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

CONNECT_TIMEOUT_SECONDS = 10


def connect(settings: Settings, **options: Any) -> "pymysql.Connection[Cursor]":
    """Open a connection.

    Args:
        settings: Where the database is and how to enter it.
        options: What the work wants of pymysql beside that.
    Raises:
        StoreUnavailableError: The secret with the login cannot be had.
        pymysql.MySQLError: The database is away or refuses.
    """
    login = wiring.database_login(settings).renewed()  # this process may remember the one before a rotation
    connection: pymysql.Connection[Cursor] = pymysql.connect(
        host=settings.db_host,
        port=settings.db_port,
        user=login.user,
        password=login.password,
        database=settings.db_name,
        **{"connect_timeout": CONNECT_TIMEOUT_SECONDS, **tls_options(settings), **options},
    )
    return connection
