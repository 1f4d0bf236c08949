"""From staged_loans to loans, the same way as customers; these are merged by then."""

from pymysql.cursors import Cursor

# Of the well-formed rows with one loan id the first counts, even if it is rejected: nobody knows which one is meant.
JUDGE = """
INSERT INTO judged_loans (line, customer_id, verdict)
SELECT staged.line, staged.customer_id,
       CASE WHEN staged.occurrence > 1 THEN 'REPEATED_LOAN_ID'
            WHEN customers.customer_id IS NULL THEN 'UNKNOWN_CUSTOMER'
            WHEN present.loan_id IS NULL THEN 'added'
            WHEN present.customer_id <> staged.customer_id THEN 'LOAN_OF_ANOTHER_CUSTOMER'
            WHEN (present.loan_amount, present.tenure, present.interest_rate, present.monthly_repayment,
                  present.emis_paid_on_time, present.start_date, present.end_date, present.status)
               = (staged.loan_amount, staged.tenure, staged.interest_rate, staged.monthly_repayment,
                  staged.emis_paid_on_time, staged.start_date, staged.end_date, staged.status)
            THEN 'unchanged'
            ELSE 'changed' END
  FROM (SELECT staged_loans.*, ROW_NUMBER() OVER (PARTITION BY loan_id ORDER BY line) AS occurrence
          FROM staged_loans) AS staged
  LEFT JOIN customers ON customers.customer_id = staged.customer_id
  LEFT JOIN loans AS present ON present.loan_id = staged.loan_id
"""

UPDATE = """
UPDATE judged_loans
       STRAIGHT_JOIN staged_loans ON staged_loans.line = judged_loans.line
       STRAIGHT_JOIN loans ON loans.customer_id = staged_loans.customer_id AND loans.loan_id = staged_loans.loan_id
   SET loans.loan_amount = staged_loans.loan_amount,
       loans.tenure = staged_loans.tenure,
       loans.interest_rate = staged_loans.interest_rate,
       loans.monthly_repayment = staged_loans.monthly_repayment,
       loans.emis_paid_on_time = staged_loans.emis_paid_on_time,
       loans.start_date = staged_loans.start_date,
       loans.end_date = staged_loans.end_date,
       loans.status = staged_loans.status
 WHERE judged_loans.verdict = 'changed'
"""

# In the order of the primary key: each page is filled once.
INSERT = """
INSERT INTO loans
       (customer_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,
        start_date, end_date, status)
SELECT staged_loans.customer_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,
       start_date, end_date, status
  FROM judged_loans JOIN staged_loans ON staged_loans.line = judged_loans.line
 WHERE judged_loans.verdict = 'added'
 ORDER BY staged_loans.customer_id, loan_id
"""

REPORT_REJECTED = """
INSERT INTO rejected_rows (source, line, reason, detail)
SELECT 'loans', judged_loans.line, judged_loans.verdict,
       CONCAT('loan_id ', staged_loans.loan_id, ', customer_id ', staged_loans.customer_id)
  FROM judged_loans JOIN staged_loans ON staged_loans.line = judged_loans.line
 WHERE judged_loans.verdict NOT IN ('added', 'changed', 'unchanged')
"""


def merge_loans(cursor: Cursor) -> None:
    """Judge the staged loans, add the new ones, update the changed ones, report the rest."""
    for statement in (JUDGE, UPDATE, INSERT, REPORT_REJECTED):
        cursor.execute(statement)
