"""Imports into a real database: what is added, changed, left alone and rejected."""

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from lending import wiring
from local.sample_data.__main__ import write_csv
from local.servers.server import Server
from testkit.database import Database
from tests.local.importing import Importer, Row, a_customer, a_loan, counts

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


def table_of(out: str) -> dict[str, list[int]]:
    """Return the printed counts: added, changed, unchanged, rejected."""
    rows = [line.split() for line in out.splitlines()]
    return {row[0]: [int(cell) for cell in row[1:]] for row in rows if row[0] in {"customers", "loans"}}


def test_new_rows_are_added_as_they_are(importer: Importer, database: Database) -> None:
    outcome = importer([a_customer(1, current_debt="12.50")], [a_loan(1, 11, interest_rate="9.75", status="PENDING")])

    assert outcome.status == 0
    assert table_of(outcome.out) == {"customers": [1, 0, 0, 0], "loans": [1, 0, 0, 0]}
    assert database.execute("SELECT * FROM customers") == (
        (1, "Asha", "Rao", 41, "5550000001", Decimal(50000), Decimal(1800000), Decimal("12.50")),
    )
    assert database.execute("SELECT customer_id, loan_id, interest_rate, status FROM loans") == (
        (1, 11, Decimal("9.75"), "PENDING"),
    )


@pytest.mark.usefixtures("database")
def test_the_list_of_rejected_rows_is_named_only_where_there_are_any(importer: Importer) -> None:
    assert str(importer.rejects) not in importer([a_customer(1)]).out
    assert f"listed in {importer.rejects}" in importer([a_customer(2), a_customer(2)]).out


def test_the_same_files_again_change_nothing(importer: Importer, database: Database, tmp_path: Path) -> None:
    write_csv(tmp_path, wiring.today(), customers=50)
    files = tmp_path / "customers.csv", tmp_path / "loans.csv"
    importer.run(*files)
    before = database.execute("SELECT * FROM customers"), database.execute("SELECT * FROM loans")
    database.execute("DELETE FROM cache_invalidations")

    outcome = importer.run(*files)

    loans = len(before[1])
    assert table_of(outcome.out) == {"customers": [0, 0, 50, 0], "loans": [0, 0, loans, 0]}
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

    assert table_of(outcome.out)["customers"] == [0, 7, 1, 0]
    assert database.execute("SELECT * FROM customers") == tuple(tuple(row.values()) for row in after)


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
    before = [a_loan(1, i, status="PAID") for i in range(1, len(changes) + 1)]
    after = [row | change for row, change in zip(before, changes, strict=True)]
    importer([a_customer(1)], before)

    outcome = importer(loans=after)

    assert table_of(outcome.out)["loans"] == [0, 8, 1, 0]
    rows = database.execute(
        "SELECT customer_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time,"
        " start_date, end_date, status FROM loans"
    )
    assert rows == tuple(tuple(row.values()) for row in after)


def test_a_file_without_debts_leaves_them_as_they_are(importer: Importer, database: Database) -> None:
    importer([a_customer(1, current_debt=700)])

    outcome = importer([a_customer(1, age=50), a_customer(2)])

    assert table_of(outcome.out)["customers"] == [1, 1, 0, 0]
    assert database.execute("SELECT age, current_debt FROM customers ORDER BY customer_id") == ((50, 700), (41, 0))


def test_a_loan_without_a_status_becomes_paid_when_its_end_has_passed(importer: Importer, database: Database) -> None:
    loans = [a_loan(1, 11, end_date="2026-11-23")]
    importer([a_customer(1)], loans, today="2026-11-23")

    outcome = importer(loans=loans, today="2026-11-24")

    assert table_of(outcome.out)["loans"] == [0, 1, 0, 0]
    assert database.execute("SELECT status FROM loans") == (("PAID",),)


def test_every_rejected_row_is_listed_and_the_others_are_imported(importer: Importer, database: Database) -> None:
    importer([a_customer(1), a_customer(2)], [a_loan(1, 11)])
    customers = [
        a_customer(2, phone_number="5550000001"),  # line 2: customer 1 has it
        a_customer(3),
        a_customer(3, phone_number="5550000006"),  # 4: the id has come before; customer 6 may have the number
        a_customer(4, phone_number="5550000003"),  # 5: customer 3 has it by now
        a_customer(5, age="old"),  # 6
        a_customer(6),
    ]
    loans = [
        a_loan(2, 11),  # line 2: loan 11 is customer 1's
        a_loan(3, 31),
        a_loan(6, 31),  # 4: the id has come before
        a_loan(3, 31),  # 5: and again, word for word
        a_loan(5, 51),  # 6: customer 5 was rejected
        a_loan(99, 991),  # 7: nobody has heard of customer 99
        a_loan(6, 61, start_date="soon"),  # 8
        a_loan(6, 61),  # the first well-formed row of loan 61
    ]

    outcome = importer(customers, loans)

    assert outcome.status == 0
    assert outcome.rejects == [
        ("customers.csv", 2, "PHONE_NUMBER_TAKEN"),
        ("customers.csv", 4, "REPEATED_CUSTOMER_ID"),
        ("customers.csv", 5, "PHONE_NUMBER_TAKEN"),
        ("customers.csv", 6, "BAD_NUMBER"),
        ("loans.csv", 2, "LOAN_OF_ANOTHER_CUSTOMER"),
        ("loans.csv", 4, "REPEATED_LOAN_ID"),
        ("loans.csv", 5, "REPEATED_LOAN_ID"),
        ("loans.csv", 6, "UNKNOWN_CUSTOMER"),
        ("loans.csv", 7, "UNKNOWN_CUSTOMER"),
        ("loans.csv", 8, "BAD_DATE"),
    ]
    assert table_of(outcome.out) == {"customers": [2, 0, 0, 4], "loans": [2, 0, 0, 6]}
    assert "rejected customers: 2 PHONE_NUMBER_TAKEN" in outcome.out
    assert "rejected loans: 2 REPEATED_LOAN_ID" in outcome.out
    assert database.execute("SELECT customer_id, age FROM customers") == ((1, 41), (2, 41), (3, 41), (6, 41))
    assert database.execute("SELECT customer_id, loan_id FROM loans") == ((1, 11), (3, 31), (6, 61))


def test_the_list_of_rejected_rows_says_what_is_wrong(importer: Importer) -> None:
    importer([a_customer(1, monthly_salary="lots"), a_customer(2)], [a_loan(7, 71)])

    assert importer.rejects.read_text().splitlines() == [
        "file,line,reason,detail",
        f"{importer.customers},2,BAD_NUMBER,monthly_salary: 'lots' is not a number with at most 2 decimals",
        f'{importer.loans},2,UNKNOWN_CUSTOMER,"loan_id 71, customer_id 7"',
    ]


def test_customers_may_pass_their_phone_numbers_on(importer: Importer, database: Database) -> None:
    importer([a_customer(1), a_customer(2), a_customer(3)])
    passed_on = [
        a_customer(1, phone_number="5550000002"),  # swap
        a_customer(2, phone_number="5550000001"),
        a_customer(3, phone_number="5550000033"),
        a_customer(4, phone_number="5550000003"),  # takes over
    ]

    outcome = importer(passed_on)

    assert table_of(outcome.out)["customers"] == [1, 3, 0, 0]
    assert dict(database.execute("SELECT customer_id, phone_number FROM customers")) == {
        1: "5550000002",
        2: "5550000001",
        3: "5550000033",
        4: "5550000003",
    }


def test_a_phone_number_is_not_free_when_its_holder_may_not_change_it(importer: Importer, database: Database) -> None:
    importer([a_customer(1), a_customer(2), a_customer(3)])
    chain = [
        a_customer(4, phone_number="5550000003"),
        a_customer(3, phone_number="5550000002"),
        a_customer(2, phone_number="5550000001"),  # customer 1 keeps it, so all before are refused as well
    ]

    outcome = importer(chain)

    assert outcome.rejects == [("customers.csv", line, "PHONE_NUMBER_TAKEN") for line in (2, 3, 4)]
    assert importer(chain).rejects == outcome.rejects
    assert counts(database) == (3, 0)


def test_whoever_has_a_phone_number_keeps_it_before_others_who_want_it(importer: Importer, database: Database) -> None:
    importer([a_customer(9)])

    outcome = importer([a_customer(5, phone_number="5550000009"), a_customer(9, age=50)])

    assert outcome.rejects == [("customers.csv", 2, "PHONE_NUMBER_TAKEN")]
    assert database.execute("SELECT customer_id, age FROM customers") == ((9, 50),)


def test_either_file_may_be_absent_but_not_both(importer: Importer, database: Database) -> None:
    importer([a_customer(1)])
    importer(loans=[a_loan(1, 11)])

    assert counts(database) == (1, 1)
    nothing = importer.run(None, None)
    assert (nothing.status, "nothing to import" in nothing.err) == (2, True)


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


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real portfolio is not part of the project")
def test_the_real_portfolio(importer: Importer, database: Database) -> None:
    outcome = importer.run(SHARED_DATA / "customers.csv", SHARED_DATA / "loans.csv")

    assert table_of(outcome.out) == {"customers": [300, 0, 0, 0], "loans": [753, 0, 0, 29]}
    assert Counter(reason for _, _, reason in outcome.rejects) == {"REPEATED_LOAN_ID": 29}
    assert counts(database) == (300, 753)
