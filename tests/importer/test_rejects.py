"""Rows that cannot be taken: nothing is changed, or the rest is and their customers borrow nothing until all are."""

import json
from decimal import Decimal

import pytest
import redis

from testkit.database import Database
from testkit.service import Service
from tests.importer.importing import Importer, Row, a_customer, a_loan, counts, rows_of

ACCEPT = "--accept-rejects"
RUNS: Row = {"start_date": "2026-01-31", "end_date": "2028-01-31", "tenure": 24, "emis_paid_on_time": 9}


def held(database: Database) -> list[int]:
    return [row[0] for row in database.execute("SELECT customer_id FROM customers WHERE on_hold ORDER BY customer_id")]


def test_one_rejected_row_means_that_nothing_is_changed_and_the_exit_status_says_so(
    importer: Importer, database: Database
) -> None:
    importer([a_customer(1)], [a_loan(1, 11)])
    database.execute("DELETE FROM cache_invalidations")

    outcome = importer([a_customer(1, age=50), a_customer(2)], [a_loan(1, 11, tenure=13), a_loan(2, 21, tenure="x")])

    assert (outcome.status, outcome.faults) == (1, [("loans", 3, ["BAD_NUMBER"])])
    assert "1 rows cannot be taken." in outcome.err
    assert outcome.err.endswith("Nothing was imported.\n")
    assert database.execute("SELECT age, tenure, on_hold FROM customers JOIN loans USING (customer_id)") == (
        (41, 12, 0),
    )
    assert counts(database) == (1, 1)
    assert database.execute("SELECT * FROM cache_invalidations") == ()
    assert database.execute("SELECT * FROM import_holds") == ()


def test_what_no_rule_reads_rejects_nobody_and_is_counted(importer: Importer, database: Database) -> None:
    """Three decimals in a rate once cost a customer's largest loan; a wrong phone number all of them."""
    loans = [a_loan(1, i, loan_amount=200000, **RUNS) for i in (1, 2, 3)]
    loans += [a_loan(1, 4, loan_amount=900000, interest_rate="12.125", **RUNS), a_loan(1, 5, interest_rate="?", **RUNS)]
    customers = [
        a_customer(1, approved_limit=1000000, phone_number="call me", age="old", current_debt="none"),
        a_customer(2, last_name="x" * 101, current_debt=""),
    ]

    outcome = importer(customers, loans)

    assert outcome.status == 0
    assert database.execute("SELECT external_loan_id, interest_rate FROM loans WHERE loan_amount = 900000") == (
        ("4", Decimal("12.12")),
    )
    assert database.execute("SELECT interest_rate FROM loans WHERE external_loan_id = '5'") == ((None,),)
    assert database.execute("SELECT age, phone_number, current_debt FROM customers") == (
        (None, None, 0),
        (41, "5550000002", 0),
    )
    for said in (
        "customers.csv: phone_number not readable, left out: 1 (line 2)",
        "customers.csv: age not readable, left out: 1 (line 2)",
        "customers.csv: current_debt not readable, left out: 1 (line 2)",
        "customers.csv: last_name cut: 1 (line 3)",
        "loans.csv: interest_rate rounded to cents: 1 (line 5)",
        "loans.csv: interest_rate not readable, left out: 1 (line 6)",
    ):
        assert said in outcome.out


def test_amounts_with_more_than_two_decimals_are_rounded_half_to_even_and_counted(
    importer: Importer, database: Database
) -> None:
    repayments = ["15344.333333", "0.005", "0.015", "8884.8800"]

    outcome = importer([a_customer(1)], [a_loan(1, i, monthly_repayment=each) for i, each in enumerate(repayments)])

    assert "loans.csv: monthly_repayment rounded to cents: 3 (lines 2, 3, 4)" in outcome.out
    assert [row[0] for row in database.execute("SELECT monthly_repayment FROM loans ORDER BY external_loan_id")] == [
        Decimal("15344.33"),
        Decimal("0.00"),
        Decimal("0.02"),
        Decimal("8884.88"),
    ]


def test_every_fault_of_a_row_is_named_and_the_colliding_lines(importer: Importer) -> None:
    importer([a_customer(1)])
    customers = [a_customer(3), a_customer(3), a_customer(4, monthly_salary="lots", approved_limit=""), a_customer(5)]
    loans = [
        a_loan(5, 51),  # 2
        a_loan(5, 51, tenure=24),  # 3: which of the two is it?
        a_loan(3, 31),  # 4: customer 3 is in two rows, and so in none
        a_loan(99, 991, tenure=0, start_date="soon"),  # 5
        a_loan(5, 52, emis_paid_on_time=13, start_date="2025-02-01", end_date="2025-01-31"),  # 6
        a_loan(5, "", loan_amount="-1", monthly_repayment="1e5", status="LOST"),  # 7
        a_loan(5, 51, tenure="none"),  # 8: a third time, and it cannot be read
    ]

    outcome = importer([*customers], [row | {"status": row.get("status", "")} for row in loans])

    assert outcome.faults == [
        ("customers", 2, ["REPEATED_CUSTOMER_ID"]),
        ("customers", 3, ["REPEATED_CUSTOMER_ID"]),
        ("customers", 4, ["BAD_NUMBER", "MISSING"]),
        ("loans", 2, ["REPEATED_LOAN_ID"]),
        ("loans", 3, ["REPEATED_LOAN_ID"]),
        ("loans", 4, ["UNKNOWN_CUSTOMER"]),
        ("loans", 5, ["OUT_OF_RANGE", "BAD_DATE", "UNKNOWN_CUSTOMER"]),
        ("loans", 6, ["PAID_MORE_THAN_TENURE", "END_BEFORE_START"]),
        ("loans", 7, ["OUT_OF_RANGE", "BAD_NUMBER", "BAD_STATUS", "MISSING"]),
        ("loans", 8, ["BAD_NUMBER", "REPEATED_LOAN_ID"]),
    ]
    assert "REPEATED_LOAN_ID: loan 51 of customer 5 is in 3 rows, from line 2 to line 8" in outcome.out
    assert "loans: 3 REPEATED_LOAN_ID" in outcome.out


def test_accepted_rejects_put_their_customers_on_hold(importer: Importer, database: Database) -> None:
    importer([a_customer(3)])

    outcome = importer(
        [a_customer(1), a_customer(2), a_customer(3, monthly_salary="?"), a_customer(4)],
        [a_loan(1, 11), a_loan(2, 21), a_loan(2, 22, tenure="?")],
        ACCEPT,
    )

    assert outcome.status == 0
    assert held(database) == [2, 3]
    assert "On hold, for rejected rows: 2 customers: 2, 3" in outcome.out
    assert counts(database) == (4, 2)
    assert {row[0] for row in database.execute("SELECT customer_id FROM cache_invalidations")} == {1, 2, 3, 4}


def test_sums_reconcile_for_accepted_rejects_too(importer: Importer) -> None:
    loans = [
        a_loan(1, 11, loan_amount="100.10"),
        a_loan(1, 12, loan_amount="200.20", tenure="?", end_date="2030-01-01"),
        a_loan(1, 13, loan_amount="400.40", tenure="?"),
        a_loan(1, 14, loan_amount="?"),
        a_loan("?", 15, loan_amount="800.80"),
    ]

    outcome = importer([a_customer(1)], loans, ACCEPT)

    assert outcome.sums("loans", "in the file") == [5, Decimal("1501.50"), Decimal("200.20")]
    assert outcome.sums("loans", "taken") == [1, Decimal("100.10"), 0]
    assert outcome.sums("loans", "rejected") == [4, Decimal("1401.40"), Decimal("200.20")]
    assert "and 1 not readable" in outcome.out
    assert "1 rejected loans (800.80) name no customer: nobody can be put on hold for them." in outcome.out


def test_a_customer_on_hold_is_released_when_all_their_rows_have_been_taken(
    importer: Importer, database: Database
) -> None:
    customers = [a_customer(1), a_customer(2), a_customer(3, approved_limit="?")]
    bad = [a_loan(1, 11, tenure="?"), a_loan(1, 12, start_date="?"), a_loan(2, 21, tenure="?"), a_loan(3, 31)]
    importer([a_customer(3)])
    importer(customers, bad, ACCEPT)
    assert held(database) == [1, 2, 3]

    importer(loans=[a_loan(1, 11)])
    assert held(database) == [1, 2, 3]  # loan 12 is still missing
    outcome = importer(loans=[a_loan(1, 12), a_loan(2, 22)])
    assert held(database) == [2, 3]  # and so is loan 21
    assert "No longer on hold, all rows taken: 1 customers: 1" in outcome.out
    importer([a_customer(3)], [a_loan(2, 21)])
    assert held(database) == []
    assert database.execute("SELECT * FROM import_holds") == ()


def test_rows_without_an_id_are_made_up_for_by_as_many_new_loans(importer: Importer, database: Database) -> None:
    importer([a_customer(1)], [a_loan(1, ""), a_loan(1, ""), a_loan(1, 10)], ACCEPT)

    importer(loans=[a_loan(1, 10), a_loan(1, 11)])
    assert held(database) == [1]
    importer(loans=[a_loan(1, 10), a_loan(1, 12), a_loan(1, 13)])
    assert held(database) == []


def test_a_customer_who_comes_later_is_on_hold_for_the_loans_that_did_not(
    importer: Importer, database: Database
) -> None:
    importer([a_customer(1), a_customer(2, approved_limit="?")], [a_loan(2, 21)], ACCEPT)

    importer([a_customer(2)])
    assert held(database) == [2]
    importer(loans=[a_loan(2, 21)])
    assert held(database) == []


def test_a_hold_of_other_origin_outlasts_the_imports(importer: Importer, database: Database) -> None:
    importer([a_customer(1)])
    database.execute("UPDATE customers SET on_hold = 1")

    importer([a_customer(1)], [a_loan(1, 11, tenure="?")], ACCEPT)
    importer(loans=[a_loan(1, 11)])

    assert held(database) == [1]


def test_not_one_row_taken_is_a_failure_even_where_rejects_are_accepted(importer: Importer, database: Database) -> None:
    outcome = importer([a_customer(1, monthly_salary="?")], None, ACCEPT)

    assert (outcome.status, "Not one row can be taken. Nothing was imported." in outcome.err) == (1, True)
    assert database.execute("SELECT * FROM import_holds") == ()


def test_rejected_rows_can_be_mended_and_imported_again(importer: Importer, database: Database) -> None:
    """In the importer's own form: the days of what is left may all be 12 or less."""
    loans = [
        a_loan(1, 11, start_date="13/05/2021", end_date="13/05/2022", loan_amount="50,000.50"),
        a_loan(1, 12, start_date="03/09/2021", end_date="03/09/2022", loan_amount="1,50,000", tenure="twelve"),
        a_loan(1, 13, start_date="31/02/2021", end_date="01/09/2022", loan_amount="70,000"),
    ]
    outcome = importer([a_customer(1, first_name="Zoë")], loans, ACCEPT)
    (path,) = outcome.rejected
    rows = rows_of(path)
    assert [(row["start_date"], row["loan_amount"]) for row in rows] == [
        ("2021-09-03", "150000.00"),
        ("31/02/2021", "70000.00"),
    ]

    mended = path.read_text("utf-8-sig").replace("twelve", "12").replace("31/02/2021", "2021-02-28")
    path.write_text(mended, "utf-8-sig")
    again = importer.run(None, path)

    assert (again.status, again.counts("loans")) == (0, [2, 0, 0])
    assert "columns not used" not in again.out
    assert path.read_text("utf-8-sig") == mended
    assert held(database) == []
    assert [row[0] for row in database.execute("SELECT loan_amount FROM loans ORDER BY external_loan_id")] == [
        Decimal("50000.50"),
        150000,
        70000,
    ]


def test_no_file_is_ever_overwritten(importer: Importer) -> None:
    first = importer([a_customer(1, monthly_salary="?")])
    second = importer.run(first.rejected[0], None)

    assert [path.name for path in (*first.rejected, *second.rejected)] == ["customers.csv", "customers-2.csv"]
    assert second.faults == [("customers", 2, ["BAD_NUMBER"])]


def test_rejects_that_name_an_input_are_refused_and_the_input_stays(importer: Importer, database: Database) -> None:
    importer.rejects = importer.loans
    importer.loans.write_text("customer_id\n")

    outcome = importer([a_customer(1)], [a_loan(1, 11, tenure="?")])

    assert (outcome.status, "File exists" in outcome.err) == (1, True)
    assert importer.loans.read_text().startswith("customer_id,external_loan_id")
    assert counts(database) == (0, 0)


@pytest.mark.usefixtures("database")
def test_a_file_without_rows_is_refused(importer: Importer) -> None:
    importer.customers.write_text("customer_id,monthly_salary,approved_limit\n,,\n")

    outcome = importer.run(importer.customers, None)

    assert (outcome.status, "has titles and no rows" in outcome.err) == (1, True)


def test_a_hold_is_in_the_next_entry_of_the_cache(
    importer: Importer, service: Service, redis_client: redis.Redis, database: Database
) -> None:
    importer([a_customer(1)], [a_loan(1, 1)])
    service.check(1)
    assert json.loads(redis_client.get("credit_score:1") or "")["on_hold"] is False

    importer(None, [a_loan(1, 1), a_loan(1, 2, monthly_repayment="?")], ACCEPT)
    service.check(1)

    assert held(database) == [1]
    assert json.loads(redis_client.get("credit_score:1") or "")["on_hold"] is True
