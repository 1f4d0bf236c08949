"""What a file may tell of a loan that this service made, and what the lender's system is told of it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from testkit.database import Database
from testkit.service import Service
from tests.importer.importing import Importer, Row, a_customer, a_loan

MADE: dict[str, Any] = {"loan_amount": 1000, "interest_rate": 20, "tenure": 12}
TERMS = "SELECT loan_amount, tenure, interest_rate, monthly_repayment, start_date FROM loans WHERE loan_id = %s"
PROGRESS = "SELECT external_loan_id, emis_paid_on_time, end_date, status FROM loans WHERE loan_id = %s"


@pytest.fixture
def made(importer: Importer, service: Service, database: Database) -> Row:
    """A loan made here, as `make export` gives it to the lender's system."""
    importer([a_customer(1), a_customer(2)], [a_loan(1, i, loan_amount=200000, start_date="2024-01-01",
             end_date="2024-03-01", status="PAID") for i in range(1, 5)], today="2024-06-15")  # fmt: skip
    answer: Any = service.create(1, **MADE)
    assert answer.status == 201
    ((loan_id, repayment, start, end),) = database.execute(
        "SELECT loan_id, monthly_repayment, start_date, end_date FROM loans WHERE request_id IS NOT NULL"
    )
    return a_loan(1, "", lending_loan_id=loan_id, loan_amount="1000.00", interest_rate="20.00", tenure=12,
                  monthly_repayment=repayment, emis_paid_on_time=0, start_date=start, end_date=end,
                  status="APPROVED")  # fmt: skip


def without_our_number(made: Row) -> Row:
    return {name: value for name, value in made.items() if name != "lending_loan_id"}


def test_a_row_that_names_our_loan_gives_it_its_id_and_its_progress_and_never_other_terms(
    importer: Importer, database: Database, made: Row
) -> None:
    loan_id = made["lending_loan_id"]
    terms = database.execute(TERMS, [loan_id])
    told = made | {"external_loan_id": "LN0001", "emis_paid_on_time": 12, "status": "Closed", "end_date": "2025-07-30"}

    outcome = importer(loans=[told | {"loan_amount": 9999, "tenure": 60, "interest_rate": 1, "monthly_repayment": 5}])

    assert (outcome.status, outcome.counts("loans")) == (0, [0, 1, 0])
    assert database.execute(TERMS, [loan_id]) == terms
    ((external, paid, end, status),) = database.execute(PROGRESS, [loan_id])
    assert (external, paid, str(end), status) == ("LN0001", 12, "2025-07-30", "PAID")
    assert (
        "1 loans made here have other terms in the file; ours stand. Its amounts are +8,999.00 of ours." in outcome.out
    )


def test_a_loan_made_here_is_known_by_its_external_id_from_then_on(
    importer: Importer, database: Database, made: Row
) -> None:
    """And a later file, which no longer says that it is ours, still cannot overwrite its terms."""
    importer(loans=[made | {"external_loan_id": "LN0001"}])
    terms = database.execute(TERMS, [made["lending_loan_id"]])

    outcome = importer(
        loans=[without_our_number(made) | {"external_loan_id": "LN0001", "emis_paid_on_time": 3, "loan_amount": 5000}]
    )

    assert (outcome.status, outcome.counts("loans")) == (0, [0, 1, 0])
    assert database.execute(TERMS, [made["lending_loan_id"]]) == terms
    assert database.execute(PROGRESS, [made["lending_loan_id"]])[0][:2] == ("LN0001", 3)


def test_a_files_ids_never_meet_the_numbers_of_loans_made_here(
    importer: Importer, database: Database, service: Service
) -> None:
    """A file's row overwrote a loan made here, and the original keyed request was then answered 422."""
    importer([a_customer(1)], [a_loan(1, i, loan_amount=200000, start_date="2024-01-01") for i in range(1, 5)])
    first: Any = service.create(1, key="K", **MADE)
    loan_id = first.body["loan_id"]

    outcome = importer(loans=[a_loan(1, loan_id, loan_amount=77, tenure=24)])

    assert outcome.counts("loans") == [1, 0, 0]
    assert database.execute(TERMS, [loan_id])[0][:2] == (Decimal(1000), 12)
    again: Any = service.create(1, key="K", **MADE)
    assert (again.status, again.body) == (201, first.body)


@pytest.mark.parametrize("own_number", [False, True])
def test_a_new_loan_that_looks_like_ours_is_taken_with_a_warning_that_names_both(
    importer: Importer, made: Row, *, own_number: bool
) -> None:
    loan_id = made["lending_loan_id"]
    if own_number:
        importer(loans=[made | {"external_loan_id": loan_id}])
    unnamed = without_our_number(made) | {"interest_rate": 19, "monthly_repayment": 99}

    outcome = importer(loans=[unnamed | {"external_loan_id": name} for name in ("LN0001", "LN0002")])
    again = importer(loans=[unnamed | {"external_loan_id": "LN0001"}])

    assert (outcome.status, outcome.counts("loans")) == (0, [2, 0, 0])
    assert "\n2 new loans have the customer, amount, tenure and start of a loan made here, " in outcome.out
    for line in (2, 3):
        warning = (
            f"\n  {importer.loans}, line {line}: looks like loan {loan_id} made here; name it in lending_loan_id\n"
        )
        assert warning in outcome.out
    assert again.counts("loans") == [0, 0, 1]
    assert "made here" not in again.out


def test_of_many_loans_that_look_like_ours_the_first_are_named(importer: Importer, made: Row) -> None:
    unnamed = without_our_number(made)

    outcome = importer(None, [unnamed | {"external_loan_id": f"LN{i}"} for i in range(25)], "--dry-run")

    assert "\n25 new loans have " in outcome.out
    assert outcome.out.count("looks like loan") == 20
    assert "\n  ... and more\n" in outcome.out


@pytest.mark.parametrize(
    "fields",
    [{"customer_id": 2}, {"loan_amount": "1000.01"}, {"tenure": 13}, {"start_date": "2024-06-14"}],
    ids=lambda fields: str(*fields),
)
def test_a_new_loan_with_another(importer: Importer, made: Row, fields: Row) -> None:
    """... customer, amount, tenure or start is no warning."""
    outcome = importer(loans=[without_our_number(made) | {"external_loan_id": "LN0001"} | fields])

    assert outcome.counts("loans") == [1, 0, 0]
    assert "made here" not in outcome.out


def test_a_new_loan_is_not_mistaken_for_ours_once_the_lender_has_given_that_an_id(
    importer: Importer, made: Row
) -> None:
    theirs = without_our_number(made) | {"external_loan_id": "LN0002"}

    outcome = importer(loans=[made | {"external_loan_id": "LN0001"}, theirs | {"lending_loan_id": ""}])
    imported_before = importer(loans=[theirs | {"external_loan_id": "LN0003"}])

    assert outcome.counts("loans") == [1, 1, 0]
    assert imported_before.counts("loans") == [1, 0, 0]
    assert "made here" not in outcome.out + imported_before.out


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"customer_id": 2}, "UNKNOWN_LOAN"),
        ({"lending_loan_id": 987654}, "UNKNOWN_LOAN"),
        ({"external_loan_id": "1"}, "EXTERNAL_ID_TAKEN"),
        ({"tenure": 60, "emis_paid_on_time": 13}, "PAID_MORE_THAN_TENURE"),
        ({"start_date": "2020-01-01", "end_date": "2020-02-01"}, "END_BEFORE_START"),
    ],
)
def test_a_row_that_does_not_fit_our_loan_is_rejected(
    importer: Importer, database: Database, made: Row, fields: Row, reason: str
) -> None:
    before = database.execute("SELECT * FROM loans")

    outcome = importer(loans=[made | fields])

    assert (outcome.status, outcome.faults) == (1, [("loans", 2, [reason])])
    assert database.execute("SELECT * FROM loans") == before


def test_our_loan_cannot_get_another_external_id_nor_be_named_twice(
    importer: Importer, database: Database, made: Row
) -> None:
    twice = importer(loans=[made, made | {"external_loan_id": "LN0001"}])
    importer(loans=[made | {"external_loan_id": "LN0001"}])

    other = importer(loans=[made | {"external_loan_id": "LN0002"}])

    assert twice.faults == [("loans", 2, ["REPEATED_LOAN_ID"]), ("loans", 3, ["REPEATED_LOAN_ID"])]
    assert other.faults == [("loans", 2, ["ANOTHER_EXTERNAL_ID"])]
    assert f"loan {made['lending_loan_id']} is known here as LN0001" in other.out
    assert database.execute(PROGRESS, [made["lending_loan_id"]])[0][0] == "LN0001"


def test_a_rejected_row_about_our_loan_holds_its_customer_until_one_is_taken(
    importer: Importer, database: Database, made: Row
) -> None:
    another = a_loan(2, 1) | {"lending_loan_id": "", "status": ""}
    importer(None, [made | {"tenure": 60, "emis_paid_on_time": 13}, another], "--accept-rejects")
    assert database.execute("SELECT customer_id FROM customers WHERE on_hold") == ((1,),)

    importer(loans=[made])
    assert database.execute("SELECT customer_id FROM customers WHERE on_hold") == ()


def test_what_is_exported_can_be_imported_as_it_is_and_changes_nothing(
    importer: Importer, database: Database, made: Row, tmp_path: Path
) -> None:
    exported = tmp_path / "made_here.csv"
    importer.export(exported, since="2024-03-01")
    assert str(made["lending_loan_id"]) in exported.read_text()
    before = database.execute("SELECT * FROM loans")

    outcome = importer.run(None, exported)

    assert (outcome.status, outcome.counts("loans")) == (0, [0, 0, 1])
    assert database.execute("SELECT * FROM loans") == before
    importer.export(exported, since="2999-01-01")
    assert len(exported.read_text().splitlines()) == 1
