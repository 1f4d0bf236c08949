"""One MySQL connection per execution environment, its transactions, and the driver's errors in our own terms."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor

from lending import clock
from lending.adapters import mysql_errors
from lending.adapters.logins import Login, LoginSource, LoginUnavailableError
from lending.adapters.names import NameResolver
from lending.config import Settings
from lending.errors import (
    ConnectionLostError,
    ConnectionTimedOutError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.patience import Patience

# READ COMMITTED: statements see what was committed before they began; REPEATABLE READ would decide on old snapshots.
# UTC: where clocks are set back, an hour of CURRENT_TIMESTAMP comes twice.
ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
SESSION = (
    "SET SESSION autocommit = %(autocommit)s, time_zone = '+00:00', innodb_lock_wait_timeout = %(lock_wait)s,"
    " lock_wait_timeout = %(table_wait)s,"
    " wait_timeout = %(server_idle)s"
)

SERVER = "(SELECT @@global.read_only AS read_only, @@global.innodb_read_only AS innodb_read_only) AS server"
"""One row about the server. Beside aggregates over one customer's rows, MariaDB 10.11 says that @@read_only is 0."""
READ_ONLY = "server.read_only, server.innodb_read_only"
"""Columns that tell whether a server takes writes."""
WRITABLE = frozenset((0, "0", "OFF"))
"""What they say of one that does; of a demoted one, MariaDB says several words."""

T = TypeVar("T")


def login_options(settings: Settings, login: Login) -> dict[str, Any]:
    """Return what the driver is told of where the database is, who enters, and how the server is verified."""
    # ssl_ca alone would encrypt but verify nothing.
    tls = {"ssl_ca": settings.db_tls_ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
    # By itself the driver would send a password in clear text to any server that asks for it so.
    unverified = {"auth_plugin_map": {b"mysql_clear_password": _Refused}}
    return {
        "host": settings.db_host,
        "port": settings.db_port,
        "user": login.user,
        "password": login.password.encode(),  # the driver would encode text as Latin-1
        "database": settings.db_name,
        **(tls if settings.db_tls_ca else unverified),
    }


class _Refused:
    """Instead of the driver's own plug-in."""

    def __init__(self, connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> None:
        """Refuse to send the password.

        Raises:
            pymysql.OperationalError: Always.
        """
        message = "The server asks for the password in clear text, which only a server verified by DB_TLS_CA gets."
        raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_ERR, message)


class Transaction:
    """Statements that count together or not at all."""

    def __init__(self, connection: "MySQLConnection") -> None:
        self._connection = connection
        self.committed = False

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Cursor:
        """Run one statement and return its cursor."""
        return self._connection.execute(sql, parameters)

    def abandon(self) -> None:
        """Drop the connection, and with it what was executed: it leads to a server that takes no writes."""
        self._connection.forget()

    def commit(self) -> None:
        """Make what was executed durable.

        Raises:
            OutcomeUnknownError: There was no answer, or not one that says which: it may be durable or gone.
        """
        try:
            self._connection.commit()
        except TransactionConflictError:
            raise
        except (StoreUnavailableError, pymysql.MySQLError) as exc:
            raise OutcomeUnknownError from exc
        self.committed = True


class MySQLConnection:
    """Opened on first use, kept while warm, and dropped, not pinged, once it has failed.

    Args:
        settings: Where the database is.
        login: Where the user and password come from.
        patience: How long to wait.
        autocommit: Off, a transaction begins with its first statement, and BEGIN costs no round trip. Only for a
            connection on which nothing is read but in transactions: a read would leave one open.
        names: Looks the database's name up.
    """

    def __init__(
        self,
        settings: Settings,
        login: LoginSource,
        patience: Patience,
        *,
        autocommit: bool = True,
        names: NameResolver | None = None,
    ) -> None:
        self.autocommit = autocommit
        self._settings = settings
        self._patience = patience
        self._login = login
        self._names = names or NameResolver(settings.db_host, settings.db_port)
        self._connection: pymysql.Connection[Cursor] | None = None
        self._used_at = clock.LONG_AGO
        self._in_transaction = False
        self._transaction_to_begin = False
        """Whether the next statement is the first of a transaction, and begins it."""

    def beside(self, *, autocommit: bool) -> "MySQLConnection":
        """Return another connection to the same database, with one look-up of its name and one login for both."""
        return MySQLConnection(self._settings, self._login, self._patience, autocommit=autocommit, names=self._names)

    def query(self, sql: str, parameters: Mapping[str, object]) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of one reading statement, run in autocommit."""
        try:
            return self._once_more_if_stale(lambda: self._execute(sql, parameters)).fetchall()
        except RequestInProgressError as exc:
            # A read waits for no customer; a migration or a LOCK TABLES holds the table.
            raise StoreUnavailableError from exc
        finally:
            self._used_at = clock.now()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction, by its first statement where autocommit is off; roll it back unless it was committed."""
        if self.autocommit:
            self._once_more_if_stale(self._begin)
        transaction = Transaction(self)
        self._in_transaction = self.autocommit
        self._transaction_to_begin = not self.autocommit
        try:
            yield transaction
        finally:
            self._in_transaction = self._transaction_to_begin = False
            if not transaction.committed:
                self._roll_back()
            self._used_at = clock.now()

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Cursor:
        """Run one statement on the connection as it is, or as the first of a transaction."""
        if not self._transaction_to_begin:
            return self._execute(sql, parameters)
        self._transaction_to_begin = False
        cursor = self._once_more_if_stale(lambda: self._execute(sql, parameters))
        self._in_transaction = True
        return cursor

    def _execute(self, sql: str, parameters: Mapping[str, object]) -> Cursor:
        with self._driver_errors_translated():
            cursor = self._open().cursor()
            cursor.execute(sql, parameters)
            return cursor

    def commit(self) -> None:
        """Commit the transaction that was begun."""
        with self._driver_errors_translated():
            self._open().commit()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pymysql.Error, OSError):
                connection.close()

    def forget(self) -> None:
        """Close the connection, and look up anew where it leads to."""
        self.close()
        self._names.forget()

    def _begin(self) -> None:
        with self._driver_errors_translated():
            self._open().begin()

    def _roll_back(self) -> None:
        """Undo what was not committed; a failure here must not hide the error that led to it."""
        if self._connection is None:
            return  # the server rolls back what a lost connection leaves
        try:
            self._connection.rollback()
        except (pymysql.Error, OSError):
            self.close()

    def _once_more_if_stale(self, start: Callable[[], T]) -> T:
        """Run the start of something; again on a new connection when a kept one proves dead.

        An environment may have slept for hours. A time-out has used up the time that another try would need.
        """
        if self._connection is not None and clock.seconds_since(self._used_at) > self._patience.database_idle:
            self.close()
        kept = self._connection is not None
        try:
            return start()
        except ConnectionTimedOutError:
            raise
        except ConnectionLostError:
            if not kept:
                raise
            return start()

    def _open(self) -> "pymysql.Connection[Cursor]":
        if self._connection is None:
            if self._in_transaction:
                raise ConnectionLostError  # on another connection the rest of it would count by itself
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> "pymysql.Connection[Cursor]":
        try:
            try:
                return self._connect_as(self._login.current())
            except pymysql.OperationalError as exc:
                if exc.args[0] != ER.ACCESS_DENIED_ERROR:
                    raise
                # The password may have been rotated since it was fetched.
                return self._connect_as(self._login.renewed())
        except LoginUnavailableError as exc:
            raise StoreUnavailableError("The login for the loan store could not be fetched.") from exc

    def _connect_as(self, login: Login) -> "pymysql.Connection[Cursor]":
        connection: pymysql.Connection[Cursor] = pymysql.connect(
            **login_options(self._settings, login),
            autocommit=None,  # as SESSION says: one round trip less than the driver would take
            connect_timeout=self._patience.database_connect,
            read_timeout=self._patience.database_connect,
            write_timeout=self._patience.database_reply,
            cursorclass=Cursor,
            defer_connect=True,
        )
        connection.connect(self._socket())
        with connection.cursor() as cursor:
            cursor.execute(ISOLATION)
            session = {
                # On for reads: a warm environment would read one old snapshot again and again.
                "autocommit": int(self.autocommit),
                "lock_wait": self._patience.lock_wait,
                "table_wait": self._patience.table_wait,
                "server_idle": self._patience.database_server_idle,
            }
            cursor.execute(SESSION, session)
        # The driver has no limit of its own for the handshake; a server that hangs in it must leave time for an answer.
        connection._read_timeout = self._patience.database_reply  # type: ignore[attr-defined]
        return connection

    def _socket(self) -> socket.socket:
        """Return a socket to the database; a silent resolver costs no more than a silent server."""
        try:
            return self._names.connected_socket(self._patience.database_connect, self._patience.database_connect)
        except OSError as exc:
            self._names.forget()
            raise pymysql.OperationalError(CR.CR_CONN_HOST_ERROR, f"Cannot connect to the database: {exc}") from exc

    @contextmanager
    def _driver_errors_translated(self) -> Iterator[None]:
        started_at = time.monotonic()
        try:
            yield
        except (pymysql.OperationalError, pymysql.InternalError, pymysql.InterfaceError) as exc:
            code = exc.args[0] if exc.args else None
            if code == ER.LOCK_WAIT_TIMEOUT:
                # The statement failed, the transaction is still open: whoever began it rolls it back.
                if time.monotonic() - started_at < (self._patience.table_wait + self._patience.lock_wait) / 2:
                    raise StoreUnavailableError("The loan store is busy with work on its tables.") from exc
                raise RequestInProgressError from exc
            if code == ER.LOCK_DEADLOCK:
                raise TransactionConflictError from exc
            if code in mysql_errors.NOT_THE_WRITER:
                # A new connection may lead to the writer.
                self.forget()
                raise ConnectionLostError from exc
            if code in mysql_errors.BUSY:
                self.forget()
                raise StoreUnavailableError from exc
            if code in mysql_errors.CONNECTION_LOST or not isinstance(exc, pymysql.OperationalError):
                self.close()
                if isinstance(exc.__context__, TimeoutError):
                    raise ConnectionTimedOutError from exc
                raise ConnectionLostError from exc
            raise
