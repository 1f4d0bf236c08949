"""New loans of a file that look like loans made here: such a loan, named by its terms alone, would count twice."""

from pymysql.cursors import Cursor

ROWS_SHOWN = 20

# From the loans made here, which are few, to the file. One that has an id of the lender's own is told apart by it.
FIND = f"""
SELECT staged_loans.line, GROUP_CONCAT(loans.loan_id ORDER BY loans.loan_id SEPARATOR ' or '), COUNT(*) OVER ()
  FROM loans
       STRAIGHT_JOIN staged_loans
          ON staged_loans.customer_id = loans.customer_id AND staged_loans.loan_amount = loans.loan_amount
         AND staged_loans.tenure = loans.tenure AND staged_loans.start_date = loans.start_date
       LEFT JOIN present_loans ON present_loans.line = staged_loans.line
 WHERE loans.request_id IS NOT NULL AND present_loans.line IS NULL
   AND (loans.external_loan_id IS NULL OR loans.external_loan_id = CAST(loans.loan_id AS CHAR))
 GROUP BY staged_loans.line
 ORDER BY staged_loans.line
 LIMIT {ROWS_SHOWN}
"""


def notes_on_lookalikes(cursor: Cursor, file: str) -> list[str]:
    """Return what the report says of them: how many there are, and which loan each of the first looks like."""
    cursor.execute(FIND)
    rows = list(cursor.fetchall())
    if not rows:
        return []
    count = rows[0][2]
    notes = [f"{count} new loans have the customer, amount, tenure and start of a loan made here, and count beside it."]
    for line, loans, _ in rows:
        notes.append(f"  {file}, line {line}: looks like loan {loans} made here; name it in lending_loan_id")
    if count > len(rows):
        notes.append("  ... and more")
    return notes
