"""The book as it is at one moment, read in pieces: no row is locked, and nothing is kept but the piece at hand."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from lending.adapters.mysql_jobs import connect
from lending.adapters.mysql_loans import record_query
from lending.config import Settings

STATEMENT_TIMEOUT_SECONDS = 600
Row = tuple[Any, ...]
"""A customer's record, for record_of(): reading it out is left to whoever has the time."""

CUSTOMERS = "SELECT customer_id FROM customers WHERE customer_id > %s ORDER BY customer_id LIMIT %s"


class Snapshot:
    """A transaction that sees what was committed before it began, however long it lasts."""

    def __init__(self, connection: "Connection[Cursor]", today: date) -> None:
        self._connection = connection
        self._today = today

    def customers(self, limit: int) -> Iterator[list[int]]:
        """Yield the ids of all customers, so many at a time."""
        last = 0
        while ids := [int(customer_id) for (customer_id,) in self._query(CUSTOMERS, (last, limit))]:
            yield ids
            last = ids[-1]

    def records(self, customer_ids: Sequence[int]) -> list[Row]:
        """Return the records of customers; unknown ones are left out."""
        return list(self._query(*record_query(customer_ids, self._today))) if customer_ids else []

    def _query(self, sql: str, parameters: Any) -> tuple[Row, ...]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()


@contextmanager
def snapshot(settings: Settings, today: date) -> Iterator[Snapshot]:
    """Open a snapshot of the configured database; a replica of it will do.

    Raises:
        LoginUnavailableError: The secret with the login cannot be read.
        pymysql.MySQLError: The database is away or refuses.
    """
    options = {"autocommit": True, "read_timeout": STATEMENT_TIMEOUT_SECONDS}
    with closing(connect(settings, **options)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield Snapshot(connection, today)
