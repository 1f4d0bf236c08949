"""Whatever changes what a score is made of, whoever changes it, is on its way out of the cache with its commit."""

from decimal import Decimal

import pytest

from functions.refresh_cache.app import lambda_handler
from lending.use_cases.cache_write import marker_of
from local.front.lambda_context import LambdaContext
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.service import Service

ASHA, BIRGIT = 1001, 1002
SALARIED = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
INSERT = (
    "INSERT INTO loans"
    " (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date, end_date, status)"
    " VALUES (1001, 1000, 12, 10, 100, '2024-01-15', '2025-01-15', 'APPROVED')"
)

SEEN = [
    INSERT,
    "UPDATE loans SET loan_amount = loan_amount + 1 WHERE customer_id = 1001 LIMIT 1",
    "UPDATE loans SET tenure = tenure + 1 WHERE customer_id = 1001 LIMIT 1",
    "UPDATE loans SET monthly_repayment = monthly_repayment + 1 WHERE customer_id = 1001 LIMIT 1",
    "UPDATE loans SET emis_paid_on_time = emis_paid_on_time - 1 WHERE customer_id = 1001 LIMIT 1",
    "UPDATE loans SET start_date = '2019-12-31' WHERE customer_id = 1001 LIMIT 1",
    "UPDATE loans SET end_date = '2022-12-31' WHERE customer_id = 1001 LIMIT 1",
    "UPDATE loans SET status = 'APPROVED' WHERE customer_id = 1001 LIMIT 1",
    "DELETE FROM loans WHERE customer_id = 1001 LIMIT 1",
    "UPDATE customers SET monthly_salary = 1 WHERE customer_id = 1001",
    "UPDATE customers SET approved_limit = 1 WHERE customer_id = 1001",
    "UPDATE customers SET on_hold = 1 WHERE customer_id = 1001",
]

UNSEEN = [
    "UPDATE loans SET interest_rate = 11 WHERE customer_id = 1001",
    "UPDATE loans SET status = 'PAID' WHERE customer_id = 1001",
    "UPDATE customers SET phone_number = '+4711', first_name = 'A', current_debt = 7 WHERE customer_id = 1001",
    "UPDATE customers SET monthly_salary = monthly_salary WHERE customer_id = 1001",
]
"""Changes of nothing that a score is made of, or of nothing at all."""


@pytest.fixture(autouse=True)
def _customers(database: Database) -> None:
    for customer_id in (ASHA, BIRGIT):
        database.add_customer(customer_id, SALARIED, [a_loan()] * 3)


def named(database: Database) -> list[tuple[int, bytes]]:
    """Return what the outbox names, in order."""
    rows = database.execute("SELECT customer_id, write_token FROM cache_invalidations ORDER BY customer_id")
    return [(customer_id, marker) for customer_id, marker in rows]


@pytest.mark.parametrize("change", SEEN)
def test_a_change_is_seen_by_the_check_after_the_next_sweep(service: Service, database: Database, change: str) -> None:
    service.check(ASHA)
    service.check(BIRGIT)

    database.execute(change)
    outbox = named(database)
    lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))

    assert outbox == [(ASHA, b"")]
    assert service.check(ASHA).cache_status == "fwd=miss; stored"
    assert service.check(BIRGIT).cache_status == "hit"


@pytest.mark.parametrize("change", UNSEEN)
def test_a_change_of_nothing_that_counts_costs_no_entry(database: Database, change: str) -> None:
    database.execute(change)

    assert named(database) == []


def test_a_loan_made_here_carries_the_marker_of_its_request(service: Service, database: Database) -> None:
    service.create(ASHA)

    ((request_id,),) = database.execute("SELECT request_id FROM loans WHERE request_id IS NOT NULL")
    assert named(database) == [(ASHA, marker_of(request_id))]


def test_a_loan_that_changes_hands_changes_both_scores(database: Database) -> None:
    database.execute("UPDATE loans SET customer_id = 1002 WHERE customer_id = 1001 LIMIT 1")

    assert named(database) == [(ASHA, b""), (BIRGIT, b"")]


def test_a_customer_who_is_deleted_is_unknown_at_once(service: Service, database: Database) -> None:
    service.check(ASHA)

    database.execute("DELETE FROM loans WHERE customer_id = 1001")
    database.execute("DELETE FROM customers WHERE customer_id = 1001")
    lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))

    assert service.check(ASHA).status == 404


def test_what_is_rolled_back_invalidates_nothing(database: Database) -> None:
    database.connection.begin()
    database.execute(INSERT)
    database.connection.rollback()

    assert named(database) == []


@pytest.mark.parametrize(("by_hand", "rows"), [("1", 0), ("NULL", 1), ("0", 1), ("2", 1)])
def test_a_bulk_writer_may_name_its_customers_itself(database: Database, by_hand: str, rows: int) -> None:
    database.execute(f"SET @cache_invalidations_by_hand = {by_hand}")
    database.execute(INSERT)
    database.execute("UPDATE customers SET on_hold = 1 WHERE customer_id = 1001") if rows == 0 else None
    database.execute("SET @cache_invalidations_by_hand = NULL")

    assert len(named(database)) == rows


def test_the_longest_request_id_has_a_marker(database: Database) -> None:
    database.execute(
        INSERT.replace("status)", "status, request_id)").replace("'APPROVED')", f"'APPROVED', '{'r' * 64}')")
    )

    assert named(database) == [(ASHA, b"write:" + b"r" * 64)]
