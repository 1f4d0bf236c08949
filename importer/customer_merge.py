"""From staged_customers to customers: one statement a step, each over all rows.

The server sorts and joins a million rows in seconds and in bounded memory. A statement names each temporary table once,
as MySQL demands. Customers of whom nothing changes are never locked, and may borrow meanwhile: INSERT ... SELECT locks
nothing that it only reads; UPDATE does, and so joins nothing else, and by STRAIGHT_JOIN looks its rows up one by one.
"""

from pymysql.cursors import Cursor

from importer.columns import CUSTOMERS
from importer.rejecting import blame_repeated_customers, reject

CREATE_TABLES = (
    """
    CREATE TEMPORARY TABLE present_customers (
        customer_id INT UNSIGNED NOT NULL PRIMARY KEY,
        changes TINYINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB
    """,
    "CREATE TEMPORARY TABLE number_changes (customer_id INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE = InnoDB",
    """
    CREATE TEMPORARY TABLE repeated_numbers (phone_number VARCHAR(16) NOT NULL PRIMARY KEY)
    ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
    """,
    "CREATE TEMPORARY TABLE lost_numbers (line INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE = InnoDB",
)

# A number is one customer's. Who has another one in this file gives the old one up; of those who want one number, it
# is whose it is already, else the first; the others have none.
FIND_NUMBER_CHANGES = """
INSERT INTO number_changes (customer_id)
SELECT customers.customer_id
  FROM staged_customers JOIN customers ON customers.customer_id = staged_customers.customer_id
 WHERE customers.phone_number <> staged_customers.phone_number
"""
FIND_REPEATED_NUMBERS = """
INSERT INTO repeated_numbers (phone_number)
SELECT phone_number FROM staged_customers WHERE phone_number IS NOT NULL GROUP BY phone_number HAVING COUNT(*) > 1
"""
FIND_NUMBERS_LOST_TO_OTHER_ROWS = """
INSERT INTO lost_numbers (line)
SELECT line
  FROM (SELECT staged_customers.line,
               ROW_NUMBER() OVER (PARTITION BY staged_customers.phone_number
                                  ORDER BY holder.customer_id IS NULL, staged_customers.line) AS claim
          FROM repeated_numbers
          JOIN staged_customers ON staged_customers.phone_number = repeated_numbers.phone_number
          LEFT JOIN customers AS holder
            ON holder.customer_id = staged_customers.customer_id
           AND holder.phone_number = staged_customers.phone_number) AS claims
 WHERE claim > 1
"""
FIND_NUMBERS_NOT_GIVEN_UP = """
INSERT IGNORE INTO lost_numbers (line)
SELECT staged_customers.line
  FROM staged_customers
  JOIN customers AS holder
    ON holder.phone_number = staged_customers.phone_number AND holder.customer_id <> staged_customers.customer_id
  LEFT JOIN number_changes ON number_changes.customer_id = holder.customer_id
 WHERE number_changes.customer_id IS NULL
"""

NUMBER = """CASE WHEN staged_customers.phone_number IS NULL THEN customers.phone_number
            WHEN lost_numbers.line IS NULL THEN staged_customers.phone_number END"""
KEPT = ("first_name", "last_name", "age", "current_debt")
"""What a file that does not tell leaves as it is."""

FIND_PRESENT = f"""
INSERT INTO present_customers (customer_id, changes)
SELECT staged_customers.customer_id,
       NOT (customers.monthly_salary = staged_customers.monthly_salary
            AND customers.approved_limit = staged_customers.approved_limit
            AND customers.first_name = COALESCE(staged_customers.first_name, customers.first_name) COLLATE utf8mb4_bin
            AND customers.last_name = COALESCE(staged_customers.last_name, customers.last_name) COLLATE utf8mb4_bin
            AND customers.age <=> COALESCE(staged_customers.age, customers.age)
            AND customers.current_debt = COALESCE(staged_customers.current_debt, customers.current_debt)
            AND customers.phone_number <=> {NUMBER})
  FROM staged_customers
  JOIN customers ON customers.customer_id = staged_customers.customer_id
  LEFT JOIN lost_numbers ON lost_numbers.line = staged_customers.line
"""
# Two customers may swap their numbers: the unique key lets neither have the other's before both have none.
GIVE_UP_NUMBERS = """
UPDATE number_changes STRAIGHT_JOIN customers ON customers.customer_id = number_changes.customer_id
   SET customers.phone_number = NULL
"""
UPDATE = f"""
UPDATE present_customers
       STRAIGHT_JOIN staged_customers ON staged_customers.customer_id = present_customers.customer_id
       LEFT JOIN lost_numbers ON lost_numbers.line = staged_customers.line
       STRAIGHT_JOIN customers ON customers.customer_id = present_customers.customer_id
   SET {", ".join(f"customers.{name} = COALESCE(staged_customers.{name}, customers.{name})" for name in KEPT)},
       customers.phone_number = {NUMBER},
       customers.monthly_salary = staged_customers.monthly_salary,
       customers.approved_limit = staged_customers.approved_limit
 WHERE present_customers.changes
"""
INSERT = """
INSERT INTO customers
       (customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit, current_debt)
SELECT staged_customers.customer_id, COALESCE(first_name, ''), COALESCE(last_name, ''), age,
       IF(lost_numbers.line IS NULL, phone_number, NULL), monthly_salary, approved_limit, COALESCE(current_debt, 0)
  FROM staged_customers
  LEFT JOIN present_customers ON present_customers.customer_id = staged_customers.customer_id
  LEFT JOIN lost_numbers ON lost_numbers.line = staged_customers.line
 WHERE present_customers.customer_id IS NULL
 ORDER BY staged_customers.customer_id
"""
# Those of added customers too: the cache may have outlived an older database, and know them from there.
TOUCH = """
INSERT IGNORE INTO touched_customers (customer_id)
SELECT staged_customers.customer_id
  FROM staged_customers
  LEFT JOIN present_customers ON present_customers.customer_id = staged_customers.customer_id
 WHERE present_customers.changes IS NULL OR present_customers.changes
"""


def merge_customers(cursor: Cursor) -> None:
    """Reject whoever stands in more than one row, add the new customers, update the changed ones."""
    if blame_repeated_customers(cursor):
        reject(cursor, CUSTOMERS, "staged_customers")
    for statement in (
        FIND_NUMBER_CHANGES,
        FIND_REPEATED_NUMBERS,
        FIND_NUMBERS_LOST_TO_OTHER_ROWS,
        FIND_NUMBERS_NOT_GIVEN_UP,
        FIND_PRESENT,
        GIVE_UP_NUMBERS,
        UPDATE,
        INSERT,
        TOUCH,
    ):
        cursor.execute(statement)
