"""From staged_customers to customers: one statement a step, each over all rows.

The server sorts and joins a million rows in seconds and in bounded memory. A statement names each temporary table once,
as MySQL demands. Customers of whom nothing changes are never locked, and may borrow meanwhile: INSERT ... SELECT locks
nothing that it only reads; UPDATE does, and so joins nothing else, and by STRAIGHT_JOIN looks its rows up one by one.
"""

from pymysql.cursors import Cursor

# A verdict is 'added', 'changed', 'unchanged' or the reason for which the row is rejected. Of the rows with one id the
# first counts; of those with one phone number that of the customer who has it already, else the first.
JUDGE = """
INSERT INTO judged_customers (line, customer_id, verdict)
SELECT staged.line, staged.customer_id,
       CASE WHEN staged.occurrence > 1 THEN 'REPEATED_CUSTOMER_ID'
            WHEN staged.claim > 1 THEN 'PHONE_NUMBER_TAKEN'
            WHEN present.customer_id IS NULL THEN 'added'
            WHEN present.first_name = staged.first_name COLLATE utf8mb4_bin
             AND present.last_name = staged.last_name COLLATE utf8mb4_bin
             AND (present.age, present.phone_number, present.monthly_salary, present.approved_limit)
               = (staged.age, staged.phone_number, staged.monthly_salary, staged.approved_limit)
             AND present.current_debt = COALESCE(staged.current_debt, present.current_debt)
            THEN 'unchanged'
            ELSE 'changed' END
  FROM (SELECT numbered.*,
               ROW_NUMBER() OVER (PARTITION BY phone_number, occurrence > 1
                                  ORDER BY keeps_number DESC, line) AS claim
          FROM (SELECT staged_customers.*,
                       holder.customer_id IS NOT NULL AS keeps_number,
                       ROW_NUMBER() OVER (PARTITION BY staged_customers.customer_id
                                          ORDER BY staged_customers.line) AS occurrence
                  FROM staged_customers
                  LEFT JOIN customers AS holder
                    ON holder.customer_id = staged_customers.customer_id
                   AND holder.phone_number = staged_customers.phone_number) AS numbered) AS staged
  LEFT JOIN customers AS present ON present.customer_id = staged.customer_id
"""

FORGET_NUMBER_CHANGES = "DELETE FROM number_changes"
FIND_NUMBER_CHANGES = """
INSERT INTO number_changes (customer_id)
SELECT customers.customer_id
  FROM judged_customers
  JOIN staged_customers ON staged_customers.line = judged_customers.line
  JOIN customers ON customers.customer_id = staged_customers.customer_id
 WHERE judged_customers.verdict = 'changed' AND customers.phone_number <> staged_customers.phone_number
"""
FORGET_NUMBERS_NOT_GIVEN_UP = "DELETE FROM numbers_not_given_up"
FIND_NUMBERS_NOT_GIVEN_UP = """
INSERT INTO numbers_not_given_up (line)
SELECT judged_customers.line
  FROM judged_customers
  JOIN staged_customers ON staged_customers.line = judged_customers.line
  JOIN customers AS holder
    ON holder.phone_number = staged_customers.phone_number AND holder.customer_id <> staged_customers.customer_id
  LEFT JOIN number_changes ON number_changes.customer_id = holder.customer_id
 WHERE judged_customers.verdict IN ('added', 'changed') AND number_changes.customer_id IS NULL
"""
REJECT_NUMBERS_NOT_GIVEN_UP = """
UPDATE judged_customers JOIN numbers_not_given_up ON numbers_not_given_up.line = judged_customers.line
   SET judged_customers.verdict = 'PHONE_NUMBER_TAKEN'
"""

# Two customers may swap their numbers: the unique key lets neither have the other's before both have none.
GIVE_UP_NUMBERS = """
UPDATE number_changes STRAIGHT_JOIN customers ON customers.customer_id = number_changes.customer_id
   SET customers.phone_number = CONCAT('#', customers.customer_id)
"""
UPDATE = """
UPDATE judged_customers
       STRAIGHT_JOIN staged_customers ON staged_customers.line = judged_customers.line
       STRAIGHT_JOIN customers ON customers.customer_id = staged_customers.customer_id
   SET customers.first_name = staged_customers.first_name,
       customers.last_name = staged_customers.last_name,
       customers.age = staged_customers.age,
       customers.phone_number = staged_customers.phone_number,
       customers.monthly_salary = staged_customers.monthly_salary,
       customers.approved_limit = staged_customers.approved_limit,
       customers.current_debt = COALESCE(staged_customers.current_debt, customers.current_debt)
 WHERE judged_customers.verdict = 'changed'
"""
INSERT = """
INSERT INTO customers
       (customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit, current_debt)
SELECT staged_customers.customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit,
       COALESCE(current_debt, 0)
  FROM judged_customers JOIN staged_customers ON staged_customers.line = judged_customers.line
 WHERE judged_customers.verdict = 'added'
 ORDER BY staged_customers.customer_id
"""

REPORT_REJECTED = """
INSERT INTO rejected_rows (source, line, reason, detail)
SELECT 'customers', judged_customers.line, judged_customers.verdict,
       CONCAT('customer_id ', staged_customers.customer_id, ', phone_number ', staged_customers.phone_number)
  FROM judged_customers JOIN staged_customers ON staged_customers.line = judged_customers.line
 WHERE judged_customers.verdict NOT IN ('added', 'changed', 'unchanged')
"""


def merge_customers(cursor: Cursor) -> None:
    """Judge the staged customers, add the new ones, update the changed ones, report the rest."""
    cursor.execute(JUDGE)
    _settle_phone_numbers(cursor)
    for statement in (GIVE_UP_NUMBERS, UPDATE, INSERT, REPORT_REJECTED):
        cursor.execute(statement)


def _settle_phone_numbers(cursor: Cursor) -> None:
    """Reject whoever wants a number that its holder does not give up in this import.

    A rejected customer keeps the old number, which another row may want: so again until nobody more is rejected.
    """
    while True:
        cursor.execute(FORGET_NUMBER_CHANGES)
        cursor.execute(FIND_NUMBER_CHANGES)
        if cursor.execute(FIND_NUMBERS_NOT_GIVEN_UP) == 0:
            return
        cursor.execute(REJECT_NUMBERS_NOT_GIVEN_UP)
        cursor.execute(FORGET_NUMBERS_NOT_GIVEN_UP)
