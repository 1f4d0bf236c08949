"""A trial of all triggers: a customer who does not exist is lent to, changed and deleted, and all is rolled back."""

import pymysql
from pymysql.constants import ER

from db.findings import Finding, failed, ok, unknown
from lending.adapters.mysql_connection import MySQLConnection

CUSTOMER = {"customer_id": 4_294_967_295}
"""The highest number that a customer can have."""

COUNT = "SELECT COUNT(*) FROM cache_invalidations WHERE customer_id = %(customer_id)s"

ADD_CUSTOMER = """
INSERT INTO customers (customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit)
VALUES (%(customer_id)s, 'Trial', 'Rolled back', 40, 'trial', 1, 1)
"""
EACH_TELLS_THE_CACHE = {
    "an INSERT into loans": """
        INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date, end_date,
                           status)
        VALUES (%(customer_id)s, 1, 1, 1, 1, '2000-01-01', '2000-02-01', 'APPROVED')
    """,
    "an UPDATE of loans": "UPDATE loans SET status = 'PAID' WHERE customer_id = %(customer_id)s",
    "a DELETE from loans": "DELETE FROM loans WHERE customer_id = %(customer_id)s",
    "an UPDATE of customers": "UPDATE customers SET monthly_salary = 2 WHERE customer_id = %(customer_id)s",
    "a DELETE from customers": "DELETE FROM customers WHERE customer_id = %(customer_id)s",
}
"""What a score is made of changes by each of these, so each writes an invalidation."""

NO_SUCH_DEFINER = 1449


def trial_loan(connection: MySQLConnection) -> Finding:
    """Tell whether every writer tells the cache. A loan id is used up by it, as by any loan that is rolled back."""
    with connection.transaction() as transaction:
        try:
            transaction.execute(ADD_CUSTOMER, CUSTOMER)
        except pymysql.IntegrityError as exc:
            if exc.args[0] != ER.DUP_ENTRY:
                raise
            return unknown(f"customer {CUSTOMER['customer_id']} exists: nothing was tried")
        ((told,),) = transaction.execute(COUNT, CUSTOMER).fetchall()
        for change, statement in EACH_TELLS_THE_CACHE.items():
            try:
                transaction.execute(statement, CUSTOMER)
            except pymysql.MySQLError as exc:
                if exc.args[0] != NO_SUCH_DEFINER:
                    raise
                found = f"{change} fails: {exc.args[-1]}"
                to_do = "create that account again, or DROP the triggers and make them as one that stays"
                return failed(found, to_do)
            before, ((told,),) = told, transaction.execute(COUNT, CUSTOMER).fetchall()
            if told == before:
                to_do = "make the missing triggers again, as db/*.sql has them"
                return failed(f"{change} tells the cache nothing", to_do)
    return ok("every kind of change tells the cache (rolled back)")
