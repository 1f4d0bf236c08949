"""Imports into a real database: what is added, changed, left alone and rejected."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from lending import wiring
from local.sample_data.__main__ import write_csv
from local.servers.server import Server
from testkit.database import Database
from tests.importer.importing import Importer, Row, a_customer, a_loan, counts

CUSTOMERS = (
    "SELECT customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit, current_debt"
    " FROM customers"
)
LOANS = (
    "SELECT customer_id, external_loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,"
    " start_date, end_date, status FROM loans"
)


def test_new_rows_are_added_as_they_are(importer: Importer, database: Database) -> None:
    outcome = importer(
        [a_customer(1, current_debt="12.50")], [a_loan(1, "L-7", interest_rate="9.75", status="PENDING")]
    )

    assert outcome.status == 0
    assert (outcome.counts("customers"), outcome.counts("loans")) == ([1, 0, 0], [1, 0, 0])
    assert database.execute(CUSTOMERS) == (
        (1, "Asha", "Rao", 41, "5550000001", Decimal(50000), Decimal(1800000), Decimal("12.50")),
    )
    assert database.execute("SELECT customer_id, external_loan_id, interest_rate, status, request_id FROM loans") == (
        (1, "L-7", Decimal("9.75"), "PENDING", None),
    )


def test_the_same_files_again_change_nothing(importer: Importer, database: Database, tmp_path: Path) -> None:
    write_csv(tmp_path, wiring.today(), customers=50)
    files = tmp_path / "customers.csv", tmp_path / "loans.csv"
    importer.run(*files)
    before = database.execute("SELECT * FROM customers"), database.execute("SELECT * FROM loans")
    database.execute("DELETE FROM cache_invalidations")

    outcome = importer.run(*files)

    assert (outcome.counts("customers"), outcome.counts("loans")) == ([0, 0, 50], [0, 0, len(before[1])])
    assert (database.execute("SELECT * FROM customers"), database.execute("SELECT * FROM loans")) == before
    assert database.execute("SELECT * FROM cache_invalidations") == ()


def test_a_change_in_any_column_of_a_customer_counts(importer: Importer, database: Database) -> None:
    changes: list[Row] = [
        {"first_name": "asha"},
        {"last_name": "Ráo"},
        {"age": 42},
        {"phone_number": "+5550000004"},
        {"monthly_salary": Decimal("50000.01")},
        {"approved_limit": Decimal(0)},
        {"current_debt": Decimal(1)},
        {},
    ]
    before = [a_customer(i, current_debt=0) for i in range(1, len(changes) + 1)]
    after = [row | change for row, change in zip(before, changes, strict=True)]
    importer(before)

    outcome = importer(after)

    assert outcome.counts("customers") == [0, 7, 1]
    assert database.execute(CUSTOMERS) == tuple(tuple(row.values()) for row in after)


def test_a_change_in_any_column_of_a_loan_counts(importer: Importer, database: Database) -> None:
    changes: list[Row] = [
        {"loan_amount": Decimal("100000.01")},
        {"tenure": 13},
        {"interest_rate": Decimal("12.01")},
        {"monthly_repayment": Decimal("8884.89")},
        {"emis_paid_on_time": 11},
        {"start_date": date(2024, 1, 30)},
        {"end_date": date(2025, 2, 1)},
        {"status": "APPROVED"},
        {},
    ]
    before = [a_loan(1, f"L{i}", status="PAID") for i in range(1, len(changes) + 1)]
    after = [row | change for row, change in zip(before, changes, strict=True)]
    importer([a_customer(1)], before)

    outcome = importer(loans=after)

    assert outcome.counts("loans") == [0, 8, 1]
    assert database.execute(LOANS) == tuple(tuple(row.values()) for row in after)


def test_a_file_that_does_not_tell_leaves_what_is_known(importer: Importer, database: Database) -> None:
    importer([a_customer(1, current_debt=700)], [a_loan(1, 11)])
    customer, loan = a_customer(1, monthly_salary=60000), a_loan(1, 11, emis_paid_on_time=3)
    for told in ("first_name", "last_name", "age", "phone_number"):
        del customer[told]
    del loan["interest_rate"]

    outcome = importer([customer], [loan])

    assert (outcome.counts("customers"), outcome.counts("loans")) == ([0, 1, 0], [0, 1, 0])
    assert database.execute(CUSTOMERS) == ((1, "Asha", "Rao", 41, "5550000001", 60000, 1800000, 700),)
    assert database.execute("SELECT interest_rate, emis_paid_on_time FROM loans") == ((Decimal(12), 3),)


@pytest.mark.parametrize(
    ("before", "end_date", "after"),
    [
        ("PAID", "2030-01-31", "PAID"),  # paid early; it was APPROVED again
        ("PENDING", "2030-01-31", "PENDING"),
        ("APPROVED", "2030-01-31", "APPROVED"),
        ("APPROVED", "2026-11-22", "PAID"),
        ("PENDING", "2026-11-22", "PAID"),
    ],
)
def test_without_a_status_a_loan_keeps_its_own_until_it_has_ended(
    importer: Importer, database: Database, before: str, end_date: str, after: str
) -> None:
    importer([a_customer(1)], [a_loan(1, 11, end_date="2030-01-31", status=before)])

    importer(loans=[a_loan(1, 11, end_date=end_date)])

    assert database.execute("SELECT status FROM loans") == ((after,),)


def test_two_customers_loans_may_have_one_id(importer: Importer, database: Database) -> None:
    outcome = importer([a_customer(1), a_customer(2)], [a_loan(1, 11), a_loan(2, 11, tenure=24)])

    assert (outcome.status, outcome.counts("loans")) == (0, [2, 0, 0])
    assert database.execute("SELECT customer_id, external_loan_id, tenure FROM loans ORDER BY customer_id") == (
        (1, "11", 12),
        (2, "11", 24),
    )


def test_customers_may_pass_their_phone_numbers_on(importer: Importer, database: Database) -> None:
    importer([a_customer(1), a_customer(2), a_customer(3)])
    passed_on = [
        a_customer(1, phone_number="5550000002"),  # swap
        a_customer(2, phone_number="5550000001"),
        a_customer(3, phone_number="5550000033"),
        a_customer(4, phone_number="5550000003"),  # takes over
    ]

    outcome = importer(passed_on)

    assert outcome.counts("customers") == [1, 3, 0]
    assert dict(database.execute("SELECT customer_id, phone_number FROM customers")) == {
        1: "5550000002",
        2: "5550000001",
        3: "5550000033",
        4: "5550000003",
    }
    assert importer(passed_on).counts("customers") == [0, 0, 4]


def test_of_customers_with_one_phone_number_one_has_it_and_nobody_is_rejected(
    importer: Importer, database: Database
) -> None:
    """Whoever had it, before; else the first. No rule reads it, and so it decides nothing."""
    importer([a_customer(9), a_customer(8)])
    rows = [
        a_customer(1, phone_number="5550000009"),  # customer 9 keeps it
        a_customer(2, phone_number="777"),
        a_customer(3, phone_number="777"),
        a_customer(4, phone_number="5550000008"),  # customer 8 is not in this file, and keeps it
        a_customer(9, age=50),
    ]

    outcome = importer(rows)

    assert (outcome.status, outcome.counts("customers")) == (0, [4, 1, 0])
    assert dict(database.execute("SELECT customer_id, phone_number FROM customers")) == {
        1: None,
        2: "777",
        3: None,
        4: None,
        8: "5550000008",
        9: "5550000009",
    }
    assert importer(rows).counts("customers") == [0, 0, 5]


def test_either_file_may_be_absent_but_not_both(importer: Importer, database: Database) -> None:
    importer([a_customer(1)])
    importer(loans=[a_loan(1, 11)])

    assert counts(database) == (1, 1)
    nothing = importer.run(None, None)
    assert (nothing.status, "nothing to import" in nothing.err) == (2, True)


def test_a_dry_run_reports_and_changes_nothing(importer: Importer, database: Database) -> None:
    outcome = importer([a_customer(1)], [a_loan(1, 11)], "--dry-run")

    assert (outcome.status, outcome.counts("loans")) == (0, [1, 0, 0])
    assert outcome.sums("loans", "in the database after") == [1, 100000, 0]
    assert "A dry run: nothing was imported." in outcome.out
    assert counts(database) == (0, 0)
    assert database.execute("SELECT * FROM cache_invalidations") == ()


def test_the_report_adds_up_what_the_file_had_and_what_the_database_has(importer: Importer) -> None:
    importer([a_customer(7)], [a_loan(7, 71, loan_amount="1000.01", end_date="2030-01-01")])
    loans = [
        a_loan(1, 11, loan_amount="100.10", end_date="2026-11-23"),  # ends today: runs
        a_loan(1, 12, loan_amount="200.20", end_date="2026-11-22"),
        a_loan(7, 71, loan_amount="900.05", end_date="2030-01-01"),
    ]

    outcome = importer([a_customer(1, approved_limit="12.34")], loans)

    assert outcome.sums("customers", "in the file") == [1, Decimal("12.34")]
    assert outcome.sums("customers", "in the database after") == [2, Decimal("1800012.34")]
    for label in ("in the file", "taken", "in the database after"):
        assert outcome.sums("loans", label) == [3, Decimal("1200.35"), Decimal("1000.15")]
    assert outcome.sums("loans", "rejected") == [0, 0, 0]
    assert outcome.sums("loans", "in the database before") == [1, Decimal("1000.01"), Decimal("1000.01")]


def test_each_changed_customer_is_one_invalidation_and_the_triggers_work_again(
    importer: Importer, database: Database, redis_server: Server
) -> None:
    redis_server.pause()  # so that nothing is swept
    try:
        importer([a_customer(1), a_customer(2)], [a_loan(1, 11), a_loan(1, 12)])
    finally:
        redis_server.resume()

    assert database.execute("SELECT customer_id FROM cache_invalidations ORDER BY customer_id") == ((1,), (2,))
    database.execute("UPDATE loans SET emis_paid_on_time = 1")
    assert len(database.execute("SELECT 1 FROM cache_invalidations")) == 4


def test_a_cached_score_of_a_changed_customer_is_dropped(importer: Importer, redis_client: redis.Redis) -> None:
    importer([a_customer(i) for i in range(1, 5)], [a_loan(3, 31)])
    redis_client.mset({f"credit_score:{i}": "old" for i in range(1, 6)})

    importer([a_customer(1), a_customer(2, monthly_salary=1), a_customer(5)], [a_loan(3, 31, tenure=24), a_loan(4, 41)])

    assert redis_client.keys() == [b"credit_score:1"]


def test_a_write_under_way_keeps_its_marker(importer: Importer, redis_client: redis.Redis) -> None:
    redis_client.set("credit_score:1", "write:0123")

    importer([a_customer(1)])

    assert redis_client.get("credit_score:1") == b"write:0123"


def test_without_redis_the_import_stands_and_the_outbox_remembers(
    importer: Importer, database: Database, redis_server: Server, redis_client: redis.Redis
) -> None:
    redis_client.set("credit_score:1", "old")
    redis_server.pause()
    try:
        outcome = importer([a_customer(1)], [a_loan(1, 11)])
    finally:
        redis_server.resume()

    assert outcome.status == 3
    assert "The import stands, but scores from before it are still cached" in outcome.err
    assert counts(database) == (1, 1)
    assert database.execute("SELECT customer_id FROM cache_invalidations WHERE swept_at IS NULL") == ((1,),)
    importer([a_customer(1)])
    assert redis_client.get("credit_score:1") is None
