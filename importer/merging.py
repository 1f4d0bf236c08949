"""Moves what was staged into the real tables, in one transaction that others' work cannot end."""

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from importer.customer_merge import merge_customers
from importer.errors import UnknownOutcomeError
from importer.loan_merge import merge_loans

CREATE_TABLES = (
    """
    CREATE TEMPORARY TABLE judged_customers (
        line INT UNSIGNED NOT NULL PRIMARY KEY,
        customer_id INT UNSIGNED NOT NULL,
        verdict VARCHAR(32) CHARACTER SET ascii NOT NULL
    )
    """,
    """
    CREATE TEMPORARY TABLE judged_loans (
        line INT UNSIGNED NOT NULL PRIMARY KEY,
        customer_id INT UNSIGNED NOT NULL,
        verdict VARCHAR(32) CHARACTER SET ascii NOT NULL
    )
    """,
    "CREATE TEMPORARY TABLE number_changes (customer_id INT UNSIGNED NOT NULL PRIMARY KEY)",
    "CREATE TEMPORARY TABLE numbers_not_given_up (line INT UNSIGNED NOT NULL PRIMARY KEY)",
)
# In the same transaction: from the COMMIT on the older scores are known to be void, whatever becomes of this process.
# Those of added customers too: the cache may have outlived an older database, and know them from there.
INVALIDATE_SCORES = """
INSERT INTO cache_invalidations (customer_id)
SELECT customer_id FROM judged_customers WHERE verdict IN ('added', 'changed')
 UNION
SELECT customer_id FROM judged_loans WHERE verdict IN ('added', 'changed')
"""

MAX_ATTEMPTS = 3
OVERTAKEN = {
    ER.LOCK_DEADLOCK,  # with a create-loan
    ER.DUP_ENTRY,  # a create-loan has taken one of the file's loan ids since they were compared
}


def merge(connection: "Connection[Cursor]") -> None:
    """Begin a transaction and do everything in it but the COMMIT.

    When create-loan gets in the way, all of it is done again on what the database has then.
    """
    with connection.cursor() as cursor:
        for statement in CREATE_TABLES:
            cursor.execute(statement)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            connection.begin()
            try:
                merge_customers(cursor)
                merge_loans(cursor)
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
