"""From staged_loans to loans, the same way as customers; these are merged by then."""

from pymysql.cursors import Cursor

from importer.columns import LOANS, MAX_CUSTOMER_ID
from importer.rejecting import blame_repeated_loans, reject

CREATE_TABLES = (
    """
    CREATE TEMPORARY TABLE present_loans (
        line INT UNSIGNED NOT NULL PRIMARY KEY,
        customer_id INT UNSIGNED NOT NULL,
        loan_id BIGINT UNSIGNED NOT NULL,
        changes TINYINT UNSIGNED NOT NULL,
        was_made_here TINYINT UNSIGNED NOT NULL,
        KEY (was_made_here)
    ) ENGINE = InnoDB
    """,
)
INSERTED_AT_ONCE = 20_000
"""The server numbers the loans of a statement for itself alone: a loan that is made meanwhile waits for its end."""

BLAME_UNKNOWN_CUSTOMERS = """
INSERT INTO faults (source, line, reason, detail)
SELECT 'loans', staged.line, 'UNKNOWN_CUSTOMER',
       CONCAT('customer ', staged.customer_id, ' is neither in the database nor among the rows taken')
  FROM {table} AS staged LEFT JOIN customers ON customers.customer_id = staged.customer_id
 WHERE customers.customer_id IS NULL AND staged.customer_id IS NOT NULL
"""

FIND_PRESENT = """
INSERT INTO present_loans (line, customer_id, loan_id, changes, was_made_here)
SELECT staged_loans.line, loans.customer_id, loans.loan_id,
       NOT ((loans.loan_amount, loans.tenure, loans.monthly_repayment, loans.emis_paid_on_time, loans.start_date,
             loans.end_date)
          = (staged_loans.loan_amount, staged_loans.tenure, staged_loans.monthly_repayment,
             staged_loans.emis_paid_on_time, staged_loans.start_date, staged_loans.end_date)
            AND loans.interest_rate <=> COALESCE(staged_loans.interest_rate, loans.interest_rate)
            AND loans.status = COALESCE(staged_loans.status, loans.status)),
       loans.request_id IS NOT NULL
  FROM staged_loans
  JOIN loans ON loans.customer_id = staged_loans.customer_id AND loans.external_loan_id = staged_loans.external_loan_id
"""

# A loan made here that the lender's system has booked under its own id: the row is about its progress alone.
MOVE_TO_PROGRESS = """
INSERT INTO staged_progress
SELECT staged_loans.line, staged_loans.customer_id, staged_loans.external_loan_id, present_loans.loan_id,
       staged_loans.loan_amount, staged_loans.tenure, staged_loans.interest_rate, staged_loans.monthly_repayment,
       staged_loans.emis_paid_on_time, staged_loans.start_date, staged_loans.end_date, staged_loans.status
  FROM present_loans JOIN staged_loans ON staged_loans.line = present_loans.line
 WHERE present_loans.was_made_here
"""
FORGET_MOVED = """
DELETE staged_loans FROM staged_loans JOIN present_loans ON present_loans.line = staged_loans.line
 WHERE present_loans.was_made_here
"""
FORGET_MADE_HERE = "DELETE FROM present_loans WHERE was_made_here"

UPDATE = """
UPDATE present_loans
       STRAIGHT_JOIN loans ON loans.customer_id = present_loans.customer_id AND loans.loan_id = present_loans.loan_id
       STRAIGHT_JOIN staged_loans
          ON staged_loans.customer_id = loans.customer_id AND staged_loans.external_loan_id = loans.external_loan_id
   SET loans.loan_amount = staged_loans.loan_amount,
       loans.tenure = staged_loans.tenure,
       loans.interest_rate = COALESCE(staged_loans.interest_rate, loans.interest_rate),
       loans.monthly_repayment = staged_loans.monthly_repayment,
       loans.emis_paid_on_time = staged_loans.emis_paid_on_time,
       loans.start_date = staged_loans.start_date,
       loans.end_date = staged_loans.end_date,
       loans.status = COALESCE(staged_loans.status, loans.status)
 WHERE present_loans.changes
"""

FIND_NEXT_CUSTOMER = """
SELECT customer_id FROM staged_loans
 WHERE customer_id >= %s ORDER BY customer_id, external_loan_id, line LIMIT 1 OFFSET %s
"""
# In the order of the primary key: each page is filled once.
INSERT = """
INSERT INTO loans
       (customer_id, external_loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,
        start_date, end_date, status)
SELECT staged_loans.customer_id, external_loan_id, loan_amount, tenure, interest_rate, monthly_repayment,
       emis_paid_on_time, start_date, end_date, COALESCE(status, 'APPROVED')
  FROM staged_loans LEFT JOIN present_loans ON present_loans.line = staged_loans.line
 WHERE present_loans.line IS NULL AND staged_loans.customer_id BETWEEN %s AND %s
 ORDER BY staged_loans.customer_id, external_loan_id
"""
TOUCH = """
INSERT IGNORE INTO touched_customers (customer_id)
SELECT DISTINCT staged_loans.customer_id
  FROM staged_loans LEFT JOIN present_loans ON present_loans.line = staged_loans.line
 WHERE present_loans.changes IS NULL OR present_loans.changes
"""


def merge_loans(cursor: Cursor) -> None:
    """Reject rows that repeat each other or name nobody, add the new loans, update the changed ones."""
    blamed = blame_repeated_loans(cursor)
    blamed += cursor.execute(BLAME_UNKNOWN_CUSTOMERS.format(table="staged_loans"))
    cursor.execute(BLAME_UNKNOWN_CUSTOMERS.format(table="rejected_rows") + " AND staged.source = 'loans'")
    if blamed:
        reject(cursor, LOANS, "staged_loans")
        reject(cursor, LOANS, "staged_progress")
    cursor.execute(FIND_PRESENT)
    if cursor.execute(MOVE_TO_PROGRESS):
        cursor.execute(FORGET_MOVED)
        cursor.execute(FORGET_MADE_HERE)
    cursor.execute(TOUCH)
    cursor.execute(UPDATE)
    _insert(cursor)


def _insert(cursor: Cursor) -> None:
    first = 0
    while True:
        cursor.execute(FIND_NEXT_CUSTOMER, (first, INSERTED_AT_ONCE))
        rows = cursor.fetchall()
        last = rows[0][0] if rows else MAX_CUSTOMER_ID
        cursor.execute(INSERT, (first, last))
        if not rows:
            return
        first = last + 1
