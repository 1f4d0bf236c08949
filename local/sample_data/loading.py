"""Puts the sample into a database, but only into an empty one."""

from datetime import date

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from local.sample_data.portfolio import sample_portfolio

ANY_CUSTOMER = "SELECT customer_id FROM customers LIMIT 1"
INSERT_CUSTOMER = """
INSERT INTO customers
    (customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit, current_debt)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
INSERT_LOAN = """
INSERT INTO loans
    (customer_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,
     start_date, end_date, status, external_loan_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
ON_HOLD = 1011
"""Somebody whom the sample's lender has said to lend nothing; the characters have every other reason."""
HOLD = "UPDATE customers SET on_hold = 1 WHERE customer_id = %s"
# The cache may have outlived an older database, and know scores of these customers from there.
BY_HAND, BY_TRIGGER = "SET @cache_invalidations_by_hand = 1", "SET @cache_invalidations_by_hand = NULL"
INVALIDATE_SCORES = "INSERT INTO cache_invalidations (customer_id) SELECT customer_id FROM customers"


def is_empty(connection: "Connection[Cursor]") -> bool:
    """Tell whether there are no customers."""
    with connection.cursor() as cursor:
        return cursor.execute(ANY_CUSTOMER) == 0


def load_if_empty(connection: "Connection[Cursor]", today: date) -> int:
    """Load the sample in one transaction and return the number of its customers; 0 when there are customers already."""
    if not is_empty(connection):
        return 0
    with connection.cursor() as cursor:
        sample = list(sample_portfolio(today))
        connection.begin()
        cursor.execute(BY_HAND)
        try:
            cursor.executemany(INSERT_CUSTOMER, [customer for customer, _ in sample])
            cursor.executemany(INSERT_LOAN, [(*loan, loan.loan_id) for _, loans in sample for loan in loans])
            cursor.execute(HOLD, [ON_HOLD])
            cursor.execute(INVALIDATE_SCORES)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            cursor.execute(BY_TRIGGER)
    return len(sample)
