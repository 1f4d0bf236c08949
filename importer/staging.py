"""The rows of the files, in temporary tables of this connection: nobody else sees them, and they end with it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from pymysql.cursors import Cursor

from importer.csv_table import CsvTable
from importer.errors import RejectedRowError
from importer.portfolio import Customer, Loan

BATCH_ROWS = 2000
"""About 200 kB a statement: beyond that nothing gets faster, and the smallest packet limits allow it."""
MAX_DETAIL_LENGTH = 255

CREATE_TABLES = (
    # Types and collations are those of the schema, whatever it becomes.
    """
    CREATE TEMPORARY TABLE staged_customers (line INT UNSIGNED NOT NULL PRIMARY KEY, current_debt DECIMAL(12, 2) NULL)
    SELECT 0 AS line, customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit,
           current_debt
      FROM customers WHERE FALSE
    """,
    """
    CREATE TEMPORARY TABLE staged_loans (line INT UNSIGNED NOT NULL PRIMARY KEY)
    SELECT 0 AS line, customer_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,
           start_date, end_date, status
      FROM loans WHERE FALSE
    """,
    f"""
    CREATE TEMPORARY TABLE rejected_rows (
        source VARCHAR(9) CHARACTER SET ascii NOT NULL,
        line INT UNSIGNED NOT NULL,
        reason VARCHAR(32) CHARACTER SET ascii NOT NULL,
        detail VARCHAR({MAX_DETAIL_LENGTH}) CHARACTER SET utf8mb4 NOT NULL,
        PRIMARY KEY (source, line)
    )
    """,
)
INSERT_CUSTOMER = """
INSERT INTO staged_customers
    (line, customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit, current_debt)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
INSERT_LOAN = """
INSERT INTO staged_loans
    (line, customer_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,
     start_date, end_date, status)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
INSERT_REJECTED = "INSERT INTO rejected_rows (source, line, reason, detail) VALUES (%s, %s, %s, %s)"


def create_tables(cursor: Cursor) -> None:
    """Make the tables that the files go into."""
    for statement in CREATE_TABLES:
        cursor.execute(statement)


def stage_customers(cursor: Cursor, table: CsvTable, parse: Callable[[Sequence[str]], Customer]) -> None:
    """Put each row of the file into staged_customers or rejected_rows."""
    _stage(cursor, "customers", table, parse, INSERT_CUSTOMER)


def stage_loans(cursor: Cursor, table: CsvTable, parse: Callable[[Sequence[str]], Loan]) -> None:
    """Put each row of the file into staged_loans or rejected_rows."""
    _stage(cursor, "loans", table, parse, INSERT_LOAN)


def _stage(
    cursor: Cursor, source: str, table: CsvTable, parse: Callable[[Sequence[str]], Customer | Loan], insert: str
) -> None:
    for batch in _batches(table):
        accepted: list[tuple[object, ...]] = []
        rejected: list[tuple[str, int, str, str]] = []
        for line, record in batch:
            try:
                accepted.append((line, *parse(table.cells(record))))
            except RejectedRowError as exc:
                rejected.append((source, line, exc.reason.value, exc.detail[:MAX_DETAIL_LENGTH]))
        cursor.executemany(insert, accepted)
        cursor.executemany(INSERT_REJECTED, rejected)


def _batches(table: CsvTable) -> Iterator[list[tuple[int, list[str]]]]:
    rows = iter(table)
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch
