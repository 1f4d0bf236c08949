"""Moves what was staged into the real tables, in one transaction that others' work cannot end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from importer import customer_merge, holds, loan_merge, progress_merge, rejecting
from importer.customer_merge import merge_customers
from importer.errors import UnknownOutcomeError
from importer.holds import settle_holds
from importer.loan_merge import merge_loans
from importer.progress_merge import merge_progress

CREATE_TABLES = (
    "CREATE TEMPORARY TABLE touched_customers (customer_id INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE = InnoDB",
    *rejecting.CREATE_TABLES,
    *customer_merge.CREATE_TABLES,
    *loan_merge.CREATE_TABLES,
    *progress_merge.CREATE_TABLES,
    *holds.CREATE_TABLES,
)
# One row a customer instead of the triggers' one a loan. In the same transaction: from the COMMIT on the older scores
# are known to be void, whatever becomes of this process.
BY_HAND = "SET @cache_invalidations_by_hand = 1"
BY_TRIGGER = "SET @cache_invalidations_by_hand = NULL"
INVALIDATE_SCORES = "INSERT INTO cache_invalidations (customer_id) SELECT customer_id FROM touched_customers"

MAX_ATTEMPTS = 3
OVERTAKEN = {
    ER.LOCK_DEADLOCK,  # with a create-loan
    ER.DUP_ENTRY,  # somebody has taken a phone number or a loan's id since they were compared
}


def create_tables(cursor: Cursor) -> None:
    """Make the tables that the comparison with the database needs."""
    for statement in CREATE_TABLES:
        cursor.execute(statement)


def merge(connection: "Connection[Cursor]") -> None:
    """Begin a transaction and do everything in it but the COMMIT.

    When create-loan gets in the way, all of it is done again on what the database has then.
    """
    with connection.cursor() as cursor:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            connection.begin()
            try:
                with _invalidating_by_hand(cursor):
                    merge_customers(cursor)
                    merge_loans(cursor)
                    merge_progress(cursor)
                    settle_holds(cursor)
                    cursor.execute(INVALIDATE_SCORES)
            except (pymysql.OperationalError, pymysql.IntegrityError) as exc:
                if exc.args[0] not in OVERTAKEN or attempt == MAX_ATTEMPTS:
                    raise
                connection.rollback()  # of the temporary tables' rows as well
            else:
                return


def commit(connection: "Connection[Cursor]") -> None:
    """Make the import stand.

    Raises:
        UnknownOutcomeError: The connection was lost, and with it the answer.
    """
    try:
        connection.commit()
    except (pymysql.MySQLError, KeyboardInterrupt) as exc:
        raise UnknownOutcomeError(
            "The answer to COMMIT was lost: all of the import stands or nothing. Import the same files again: where it "
            "stands they change nothing."
        ) from exc


@contextmanager
def _invalidating_by_hand(cursor: Cursor) -> Iterator[None]:
    cursor.execute(BY_HAND)
    try:
        yield
    finally:
        with suppress(pymysql.MySQLError):  # where the connection is lost, the variable is too
            cursor.execute(BY_TRIGGER)
