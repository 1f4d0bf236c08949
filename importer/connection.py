"""The importer's own connection: patient, strict, and the only importer's at work."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from importer.errors import ImportFailedError
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import connect, why_none
from lending.config import Settings

STATEMENT_TIMEOUT_SECONDS = 3600
"""Moving ten million rows takes minutes; only a server that is gone says nothing for an hour."""
LOCK_WAIT_SECONDS = 10
"""An importer that was killed keeps the lock until the server has undone what it did."""
LOCK_NAME = "LEFT(CONCAT('import.', DATABASE()), 64)"  # names of locks are server-wide and at most 64 long


@contextmanager
def only_importer(settings: Settings) -> Iterator["Connection[Cursor]"]:
    """Yield a connection on which no other import into the same database runs meanwhile.

    Raises:
        ImportFailedError: Another import is running, or the database is away or fails in the middle. What was not
            committed is gone then, the temporary tables included.
    """
    try:
        with closing(_connect(settings)) as connection, connection.cursor() as cursor:
            # The server frees the lock when the connection ends, however it ends.
            cursor.execute(f"SELECT GET_LOCK({LOCK_NAME}, %s)", (LOCK_WAIT_SECONDS,))
            if cursor.fetchall() != ((1,),):
                raise ImportFailedError("Another import into this database is running.")
            yield connection
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        raise ImportFailedError(f"The database failed: {why_none(exc)}.") from exc


def _connect(settings: Settings) -> "Connection[Cursor]":
    return connect(
        settings,
        charset="utf8mb4",
        autocommit=True,
        # Whatever the server's own mode: a value that does not fit is an error, never cut to fit.
        sql_mode="TRADITIONAL",
        # Statements see what create-loan committed meanwhile, and lock none of the rows they only read.
        init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        read_timeout=STATEMENT_TIMEOUT_SECONDS,
        write_timeout=STATEMENT_TIMEOUT_SECONDS,
        cursorclass=Cursor,
    )
