"""Finds rows that repeat each other, and moves those with faults from where they are staged to rejected_rows.

MySQL lets a statement name a temporary table once; so what has to be compared with itself is copied first.
"""

from pymysql.cursors import Cursor

from importer.columns import Kind
from importer.staging import SEPARATOR

CREATE_TABLES = (
    """
    CREATE TEMPORARY TABLE repeated_rows (
        customer_id INT UNSIGNED NOT NULL,
        external_loan_id VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        times INT UNSIGNED NOT NULL,
        first_line INT UNSIGNED NOT NULL,
        last_line INT UNSIGNED NOT NULL,
        PRIMARY KEY (customer_id, external_loan_id)
    ) ENGINE = InnoDB
    """,
    # Rows that are staged elsewhere than most: with faults, or about loans made here.
    """
    CREATE TEMPORARY TABLE other_rows (
        customer_id INT UNSIGNED NOT NULL,
        external_loan_id VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        line INT UNSIGNED NOT NULL,
        KEY (customer_id, external_loan_id)
    ) ENGINE = InnoDB
    """,
)

CUSTOMERS_AMONG_THEMSELVES = """
INSERT INTO repeated_rows (customer_id, external_loan_id, times, first_line, last_line)
SELECT customer_id, '', COUNT(*), MIN(line), MAX(line) FROM staged_customers GROUP BY customer_id HAVING COUNT(*) > 1
"""
LOANS_AMONG_THEMSELVES = """
INSERT INTO repeated_rows (customer_id, external_loan_id, times, first_line, last_line)
SELECT customer_id, external_loan_id, COUNT(*), MIN(line), MAX(line)
  FROM staged_loans GROUP BY customer_id, external_loan_id HAVING COUNT(*) > 1
"""
WITH_OTHERS = """
INSERT INTO repeated_rows (customer_id, external_loan_id, times, first_line, last_line)
SELECT other_rows.customer_id, other_rows.external_loan_id,
       COUNT(DISTINCT other_rows.line) + COUNT(DISTINCT staged.line),
       LEAST(MIN(other_rows.line), MIN(staged.line)), GREATEST(MAX(other_rows.line), MAX(staged.line))
  FROM other_rows JOIN {table} AS staged ON staged.customer_id = other_rows.customer_id {and_same_loan}
 GROUP BY other_rows.customer_id, other_rows.external_loan_id
    ON DUPLICATE KEY UPDATE times = VALUES(times), first_line = VALUES(first_line), last_line = VALUES(last_line)
"""
OTHERS_AMONG_THEMSELVES = """
INSERT IGNORE INTO repeated_rows (customer_id, external_loan_id, times, first_line, last_line)
SELECT customer_id, external_loan_id, COUNT(*), MIN(line), MAX(line)
  FROM other_rows GROUP BY customer_id, external_loan_id HAVING COUNT(*) > 1
"""
FIND_REJECTED = """
INSERT INTO other_rows (customer_id, external_loan_id, line)
SELECT customer_id, COALESCE(external_loan_id, ''), line
  FROM rejected_rows WHERE source = %s AND customer_id IS NOT NULL
"""
FIND_PROGRESS = """
INSERT INTO other_rows (customer_id, external_loan_id, line)
SELECT customer_id, external_loan_id, line FROM staged_progress WHERE external_loan_id <> ''
"""
BLAME_REPEATED = """
INSERT INTO faults (source, line, reason, detail)
SELECT %s, staged.line, %s,
       CONCAT({named_as}, ' is in ', repeated_rows.times, ' rows, from line ', repeated_rows.first_line,
              ' to line ', repeated_rows.last_line)
  FROM repeated_rows JOIN {table} AS staged ON staged.customer_id = repeated_rows.customer_id {and_same_loan}
"""
SAME_LOAN = "AND staged.external_loan_id = {other}.external_loan_id"

REJECT = """
INSERT INTO rejected_rows (source, line, customer_id, external_loan_id, lending_loan_id, amount, is_running, cells)
SELECT %s, staged.line, staged.customer_id, {external}, {ours}, staged.{amount}, {running},
       CONCAT_WS('{separator}', {cells})
  FROM (SELECT DISTINCT line FROM faults WHERE source = %s) AS faulty
  JOIN {table} AS staged ON staged.line = faulty.line
"""
FORGET = "DELETE staged FROM {table} AS staged JOIN faults ON faults.source = %s AND faults.line = staged.line"


def blame_repeated_customers(cursor: Cursor) -> int:
    """Give every customer who stands in more than one row a fault in each; return in how many."""
    _find_others(cursor, "customers")
    cursor.execute(CUSTOMERS_AMONG_THEMSELVES)
    cursor.execute(WITH_OTHERS.format(table="staged_customers", and_same_loan=""))
    cursor.execute(OTHERS_AMONG_THEMSELVES)
    return _blame(cursor, "customers", "REPEATED_CUSTOMER_ID", ["staged_customers"], by_loan=False)


def blame_repeated_loans(cursor: Cursor) -> int:
    """Give every loan that stands in more than one row a fault in each; return in how many."""
    _find_others(cursor, "loans")
    cursor.execute("DELETE FROM other_rows WHERE external_loan_id = ''")
    cursor.execute(FIND_PROGRESS)
    cursor.execute(LOANS_AMONG_THEMSELVES)
    cursor.execute(WITH_OTHERS.format(table="staged_loans", and_same_loan=SAME_LOAN.format(other="other_rows")))
    cursor.execute(OTHERS_AMONG_THEMSELVES)
    return _blame(cursor, "loans", "REPEATED_LOAN_ID", ["staged_loans", "staged_progress"], by_loan=True)


def reject(cursor: Cursor, kind: Kind, table: str) -> None:
    """Move the rows of a staged table that have faults to rejected_rows."""
    names = [column.name for column in kind.columns]
    has_loans = "external_loan_id" in names
    cursor.execute(
        REJECT.format(
            external="NULLIF(staged.external_loan_id, '')" if has_loans else "NULL",
            ours="staged.lending_loan_id" if has_loans else "NULL",
            amount=kind.amount,
            running="COALESCE(staged.status <> 'PAID', TRUE) AND staged.end_date >= @today" if has_loans else "FALSE",
            separator=SEPARATOR,
            cells=", ".join(f"COALESCE(staged.{name}, '')" for name in names),
            table=table,
        ),
        (kind.name, kind.name),
    )
    cursor.execute(FORGET.format(table=table), (kind.name,))


def _find_others(cursor: Cursor, source: str) -> None:
    cursor.execute("DELETE FROM repeated_rows")
    cursor.execute("DELETE FROM other_rows")
    cursor.execute(FIND_REJECTED, (source,))


def _blame(cursor: Cursor, source: str, reason: str, tables: list[str], *, by_loan: bool) -> int:
    named_as = "CONCAT('loan ', staged.external_loan_id, ' of customer ', staged.customer_id)"
    if not by_loan:
        named_as = "CONCAT('customer ', staged.customer_id)"
    and_same_loan = SAME_LOAN.format(other="repeated_rows") if by_loan else ""
    blamed = 0
    for table in [*tables, "rejected_rows"]:
        sql = BLAME_REPEATED.format(named_as=named_as, table=table, and_same_loan=and_same_loan)
        if table == "rejected_rows":
            sql += f" WHERE staged.source = '{source}'"
        blamed += cursor.execute(sql, (source, reason))
    return blamed
