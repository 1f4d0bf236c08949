"""Files that are put into the stack's bucket: imported together, and reported on beside them."""

import gc
import json

import pytest

from importer import uploads
from lending import wiring
from local.front.lambda_context import LambdaContext
from testkit.database import Database
from testkit.s3 import FilesBucket, upload_event
from tests.importer.importing import a_customer, a_loan, as_csv, counts

CUSTOMERS, LOANS = "imports/May 2026/customers.csv", "imports/May 2026/loans.csv"
REPORT = "reports/May 2026/report.txt"


def upload(bucket: FilesBucket, key: str, content: str | bytes, *, seconds: float = 900) -> None:
    """Put a file and have the function told of it."""
    event = bucket.put(key, content)
    uploads.lambda_handler(event, LambdaContext("ImportFunction", timeout_seconds=seconds))
    wiring.close()


def test_files_are_imported_together_whichever_comes_first(bucket: FilesBucket, database: Database) -> None:
    upload(bucket, LOANS, as_csv([a_loan(1, 11)]))
    assert "UNKNOWN_CUSTOMER" in bucket.get(REPORT)
    assert bucket.keys("reports/") == ["reports/May 2026/loans-rejected.csv", REPORT]
    assert counts(database) == (0, 0)

    upload(bucket, CUSTOMERS, as_csv([a_customer(1)]))

    assert counts(database) == (1, 1)
    report = bucket.get(REPORT)
    assert report.startswith(f"Files: {CUSTOMERS}, {LOANS}\n\ncustomers ")
    assert report.endswith("\n\nImported.\n")
    assert bucket.keys("reports/") == [REPORT]


def test_rejected_rows_lie_beside_the_report_and_can_be_put_back(bucket: FilesBucket, database: Database) -> None:
    upload(bucket, CUSTOMERS, as_csv([a_customer(1)]))
    upload(bucket, LOANS, as_csv([a_loan(1, 11), a_loan(1, 12, tenure="?")]))
    assert "1 rows cannot be taken." in bucket.get(REPORT)
    assert "loans.csv, line 3: BAD_NUMBER: tenure: '?' is not a whole number" in bucket.get(REPORT)
    rejected = bucket.get("reports/May 2026/loans-rejected.csv")

    upload(bucket, "imports/May 2026/options.json", json.dumps({"accept_rejects": True}))
    assert counts(database) == (1, 1)
    assert "On hold, for rejected rows: 1 customers: 1" in bucket.get(REPORT)
    upload(bucket, "imports/mended/loans.csv", rejected.replace("?", "12"))
    assert counts(database) == (1, 2)
    assert "No longer on hold, all rows taken: 1 customers: 1" in bucket.get("reports/mended/report.txt")


def test_options_are_those_of_the_command_line(bucket: FilesBucket, database: Database) -> None:
    options = {"date_format": "MM/DD/YYYY", "columns": {"Given on": "start_date"}, "statuses": {"Gone": "PAID"}}
    loan = a_loan(1, 11, start_date="3/9/2017", end_date="3/9/2018", status="Gone")
    bucket.put(CUSTOMERS, as_csv([a_customer(1)]))
    bucket.put("imports/May 2026/options.json", json.dumps(options))

    upload(bucket, LOANS, as_csv([loan]).replace("start_date", "Given on"))

    ((start, status),) = database.execute("SELECT start_date, status FROM loans")
    assert (str(start), status) == ("2017-03-09", "PAID")


@pytest.mark.parametrize(
    ("key", "content", "complaint"),
    [
        ("imports/a/books.csv", "", "books.csv begins neither with customers nor with loans."),
        ("imports/a/loans.csv", "x\n1\n", "loans.csv lacks customer_id"),
        ("imports/a/options.json", "{", "options.json is no JSON"),
        ("imports/a/options.json", '{"rejects": "/etc"}', "options.json is to hold options by name"),
        ("imports/a/options.json", "{}", "There are no files of customers or loans in this folder."),
        ("imports/loans.csv", "x\n1\n", "loans.csv lacks customer_id"),
    ],
)
def test_what_cannot_be_imported_is_reported(bucket: FilesBucket, key: str, content: str, complaint: str) -> None:
    upload(bucket, key, content)

    place = key.removeprefix("imports/").rpartition("/")[0]
    report = bucket.get(f"reports/{place}/report.txt" if place else "reports/report.txt")
    assert complaint in report
    assert report.endswith(" Nothing was imported.\n")


def test_an_option_that_does_not_exist_is_reported(bucket: FilesBucket) -> None:
    bucket.put("imports/a/options.json", '{"date_fromat": "DD/MM/YYYY"}')

    upload(bucket, "imports/a/loans.csv", "x\n1\n")

    assert "options.json: unrecognized arguments: --date-fromat" in bucket.get("reports/a/report.txt")


def test_two_files_of_one_kind_are_not_guessed_between(bucket: FilesBucket) -> None:
    bucket.put("imports/a/loans-1.csv", "x")

    upload(bucket, "imports/a/loans-2.csv", "x")

    assert "loans-1.csv and loans-2.csv are both of loans" in bucket.get("reports/a/report.txt")


def test_a_file_beyond_the_limit_is_reported(bucket: FilesBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(uploads.MAX_BYTES, ".csv", 3)

    upload(bucket, "imports/a/loans.csv", "1234")

    assert "loans.csv has 4 bytes, more than 3; docs/deploy.md tells the way." in bucket.get("reports/a/report.txt")


def test_an_import_that_takes_too_long_is_undone_and_reported(bucket: FilesBucket, database: Database) -> None:
    # The property tests' library watches the garbage collector, and what the alarm raises in there gets lost.
    watching = gc.callbacks[:]
    gc.callbacks.clear()
    bucket.put(CUSTOMERS, as_csv(a_customer(i) for i in range(1, 20_000)))
    try:
        upload(bucket, LOANS, as_csv(a_loan(i, 1) for i in range(1, 20_000)), seconds=uploads.SECONDS_TO_REPORT + 0.3)
    finally:
        gc.callbacks.extend(watching)

    assert "The function's time was over" in bucket.get(REPORT)
    assert counts(database) == (0, 0)


def test_files_of_one_folder_in_one_event_are_one_import(bucket: FilesBucket, database: Database) -> None:
    bucket.put(CUSTOMERS, as_csv([a_customer(1)]))
    bucket.put(LOANS, as_csv([a_loan(1, 11)]))

    uploads.lambda_handler(upload_event([CUSTOMERS, LOANS]), LambdaContext("ImportFunction", timeout_seconds=900))

    assert counts(database) == (1, 1)
