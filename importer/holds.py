"""Who is on hold because rows of theirs could not be taken, and who no longer is.

What was rejected is remembered row by row, by the loan that it names; a customer is released when later imports have
taken all of it. Of rows that name no loan only the number is known: as many new loans of the customer take their place.
"""

from pymysql.cursors import Cursor

CREATE_TABLES = (
    """
    CREATE TEMPORARY TABLE holds_before (
        customer_id INT UNSIGNED NOT NULL PRIMARY KEY,
        held_before TINYINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB
    """,
    """
    CREATE TEMPORARY TABLE hold_changes (
        customer_id INT UNSIGNED NOT NULL PRIMARY KEY,
        on_hold TINYINT UNSIGNED NOT NULL,
        differs TINYINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB
    """,
)

REMEMBER_BEFORE = """
INSERT INTO holds_before (customer_id, held_before)
SELECT customer_id, MAX(held_before) FROM import_holds GROUP BY customer_id
"""
SETTLE = (
    """
    DELETE import_holds FROM import_holds
      JOIN staged_customers ON staged_customers.customer_id = import_holds.customer_id
     WHERE import_holds.source = 'customers'
    """,
    """
    DELETE import_holds FROM import_holds
      JOIN staged_loans ON staged_loans.customer_id = import_holds.customer_id
       AND staged_loans.external_loan_id = import_holds.external_loan_id
     WHERE import_holds.source = 'loans' AND import_holds.external_loan_id <> ''
    """,
    """
    DELETE import_holds FROM import_holds
      JOIN staged_progress ON staged_progress.customer_id = import_holds.customer_id
       AND (staged_progress.lending_loan_id = import_holds.lending_loan_id
            OR staged_progress.external_loan_id = NULLIF(import_holds.external_loan_id, ''))
     WHERE import_holds.source = 'loans'
    """,
    """
    DELETE import_holds FROM import_holds
      JOIN (SELECT nameless.customer_id, COUNT(*) AS added
              FROM import_holds AS nameless
              JOIN staged_loans ON staged_loans.customer_id = nameless.customer_id
              LEFT JOIN present_loans ON present_loans.line = staged_loans.line
             WHERE nameless.source = 'loans' AND nameless.external_loan_id = '' AND nameless.lending_loan_id = 0
               AND present_loans.line IS NULL
             GROUP BY nameless.customer_id) AS taken
        ON taken.customer_id = import_holds.customer_id AND taken.added >= import_holds.times
     WHERE import_holds.source = 'loans' AND import_holds.external_loan_id = '' AND import_holds.lending_loan_id = 0
    """,
)
REMEMBER_REJECTED = """
INSERT INTO import_holds (customer_id, source, external_loan_id, lending_loan_id, times, held_before)
SELECT rejected.customer_id, source, lenders_id, our_id, COUNT(*),
       COALESCE(MAX(holds_before.held_before), MAX(customers.on_hold), 0)
  FROM (SELECT customer_id, source, COALESCE(external_loan_id, '') AS lenders_id, COALESCE(lending_loan_id, 0) AS our_id
          FROM rejected_rows WHERE customer_id IS NOT NULL) AS rejected
  LEFT JOIN holds_before ON holds_before.customer_id = rejected.customer_id
  LEFT JOIN customers ON customers.customer_id = rejected.customer_id
 GROUP BY rejected.customer_id, source, lenders_id, our_id
    ON DUPLICATE KEY UPDATE times = GREATEST(import_holds.times, VALUES(times))
"""
# Also whoever was added just now, and whose rows an earlier import could not take.
FIND_HELD = """
INSERT INTO hold_changes (customer_id, on_hold, differs)
SELECT DISTINCT customers.customer_id, 1, customers.on_hold = 0
  FROM import_holds
  JOIN customers ON customers.customer_id = import_holds.customer_id
  LEFT JOIN holds_before ON holds_before.customer_id = import_holds.customer_id
  LEFT JOIN (SELECT DISTINCT customer_id FROM rejected_rows) AS rejected
    ON rejected.customer_id = import_holds.customer_id
  LEFT JOIN staged_customers ON staged_customers.customer_id = import_holds.customer_id
  LEFT JOIN present_customers ON present_customers.customer_id = import_holds.customer_id
 WHERE rejected.customer_id IS NOT NULL
    OR (staged_customers.customer_id IS NOT NULL AND present_customers.customer_id IS NULL)
"""
FIND_RELEASED = """
INSERT INTO hold_changes (customer_id, on_hold, differs)
SELECT holds_before.customer_id, holds_before.held_before, customers.on_hold <> holds_before.held_before
  FROM holds_before
  JOIN customers ON customers.customer_id = holds_before.customer_id
  LEFT JOIN import_holds ON import_holds.customer_id = holds_before.customer_id
 WHERE import_holds.customer_id IS NULL
"""
UPDATE = """
UPDATE hold_changes STRAIGHT_JOIN customers ON customers.customer_id = hold_changes.customer_id
   SET customers.on_hold = hold_changes.on_hold
 WHERE hold_changes.differs
"""
TOUCH = """
INSERT IGNORE INTO touched_customers (customer_id) SELECT customer_id FROM hold_changes WHERE differs
"""


def settle_holds(cursor: Cursor) -> None:
    """Put every customer with a rejected row on hold, and release those whose rows have all been taken."""
    for statement in (REMEMBER_BEFORE, *SETTLE, REMEMBER_REJECTED, FIND_HELD, FIND_RELEASED, UPDATE, TOUCH):
        cursor.execute(statement)
