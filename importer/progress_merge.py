"""What a file tells of loans that were made here: how they are paid, and the lender's own id. Never their terms."""

from pymysql.cursors import Cursor

from importer.columns import LOANS
from importer.rejecting import reject

CREATE_TABLES = (
    """
    CREATE TEMPORARY TABLE repeated_numbers_of_loans (
        lending_loan_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
        times INT UNSIGNED NOT NULL
    ) ENGINE = InnoDB
    """,
    """
    CREATE TEMPORARY TABLE changed_progress (
        line INT UNSIGNED NOT NULL PRIMARY KEY,
        customer_id INT UNSIGNED NOT NULL,
        loan_id BIGINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB
    """,
)

FIND_REPEATED = """
INSERT INTO repeated_numbers_of_loans (lending_loan_id, times)
SELECT lending_loan_id, COUNT(*) FROM staged_progress GROUP BY lending_loan_id HAVING COUNT(*) > 1
"""
BLAME_REPEATED = """
INSERT INTO faults (source, line, reason, detail)
SELECT 'loans', staged_progress.line, 'REPEATED_LOAN_ID',
       CONCAT('lending_loan_id ', staged_progress.lending_loan_id, ' is named by ', times, ' rows')
  FROM repeated_numbers_of_loans
  JOIN staged_progress ON staged_progress.lending_loan_id = repeated_numbers_of_loans.lending_loan_id
"""
BLAME = """
INSERT INTO faults (source, line, reason, detail)
SELECT 'loans', line, reason, detail
  FROM (SELECT staged_progress.line,
               CASE WHEN loans.loan_id IS NULL OR loans.customer_id <> staged_progress.customer_id THEN 'UNKNOWN_LOAN'
                    WHEN loans.external_loan_id <> NULLIF(staged_progress.external_loan_id, '')
                    THEN 'ANOTHER_EXTERNAL_ID'
                    WHEN taken.loan_id <> loans.loan_id THEN 'EXTERNAL_ID_TAKEN'
                    WHEN staged_progress.emis_paid_on_time > loans.tenure THEN 'PAID_MORE_THAN_TENURE'
                    WHEN staged_progress.end_date < loans.start_date THEN 'END_BEFORE_START' END AS reason,
               CASE WHEN loans.loan_id IS NULL OR loans.customer_id <> staged_progress.customer_id
                    THEN CONCAT('customer ', staged_progress.customer_id, ' has no loan ',
                                staged_progress.lending_loan_id, ' here')
                    WHEN loans.external_loan_id <> NULLIF(staged_progress.external_loan_id, '')
                    THEN CONCAT('loan ', loans.loan_id, ' is known here as ', loans.external_loan_id)
                    WHEN taken.loan_id <> loans.loan_id
                    THEN CONCAT('the customer has another loan ', taken.external_loan_id, ': ', taken.loan_id)
                    WHEN staged_progress.emis_paid_on_time > loans.tenure
                    THEN CONCAT(staged_progress.emis_paid_on_time, ' paid of ', loans.tenure, ', as it was made here')
                    ELSE CONCAT('ends ', staged_progress.end_date, ', was made here on ', loans.start_date)
                END AS detail
          FROM staged_progress
          LEFT JOIN loans ON loans.loan_id = staged_progress.lending_loan_id
          LEFT JOIN loans AS taken
            ON taken.customer_id = staged_progress.customer_id
           AND taken.external_loan_id = staged_progress.external_loan_id
           AND staged_progress.external_loan_id <> '') AS judged
 WHERE reason IS NOT NULL
"""

FIND_CHANGES = """
INSERT INTO changed_progress (line, customer_id, loan_id)
SELECT staged_progress.line, loans.customer_id, loans.loan_id
  FROM staged_progress JOIN loans ON loans.loan_id = staged_progress.lending_loan_id
 WHERE NOT ((loans.emis_paid_on_time, loans.end_date) = (staged_progress.emis_paid_on_time, staged_progress.end_date)
            AND loans.status = COALESCE(staged_progress.status, loans.status)
            AND loans.external_loan_id <=> COALESCE(NULLIF(staged_progress.external_loan_id, ''),
                                                    loans.external_loan_id))
"""
UPDATE = """
UPDATE changed_progress
       STRAIGHT_JOIN staged_progress ON staged_progress.line = changed_progress.line
       STRAIGHT_JOIN loans
          ON loans.customer_id = changed_progress.customer_id AND loans.loan_id = changed_progress.loan_id
   SET loans.emis_paid_on_time = staged_progress.emis_paid_on_time,
       loans.end_date = staged_progress.end_date,
       loans.status = COALESCE(staged_progress.status, loans.status),
       loans.external_loan_id = COALESCE(NULLIF(staged_progress.external_loan_id, ''), loans.external_loan_id)
"""
TOUCH = "INSERT IGNORE INTO touched_customers (customer_id) SELECT DISTINCT customer_id FROM changed_progress"


def merge_progress(cursor: Cursor) -> None:
    """Reject rows that do not fit the loan that they name, and update the others' progress."""
    if cursor.execute(FIND_REPEATED):
        cursor.execute(BLAME_REPEATED)
    cursor.execute(BLAME)
    reject(cursor, LOANS, "staged_progress")
    for statement in (FIND_CHANGES, UPDATE, TOUCH):
        cursor.execute(statement)
