"""What the importer makes of the text in cells: numbers, dates, words, and of rows that contradict themselves."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from importer.columns import CUSTOMERS, LOANS, Kind
from importer.errors import BrokenFileError
from importer.forms import GivenForms, memories
from importer.reading.table import Reading, open_table
from importer.rows import Losses, RowReader
from importer.values.dates import forms
from importer.values.numbers import read

CUSTOMER = {"customer_id": "7", "first_name": "Asha", "last_name": "Rao", "age": "41", "phone_number": "5550000007",
            "monthly_salary": "50000", "approved_limit": "1800000", "current_debt": ""}  # fmt: skip
LOAN = {"customer_id": "7", "external_loan_id": "701", "lending_loan_id": "", "loan_amount": "100000", "tenure": "12",
        "interest_rate": "12", "monthly_repayment": "8884.88", "emis_paid_on_time": "12", "start_date": "2024-01-31",
        "end_date": "2025-01-31", "status": ""}  # fmt: skip


class Reader:
    """Reads rows through a file, whose cells are parted by tabs."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rows.csv"

    def rows(self, kind: Kind, rows: Sequence[dict[str, str]], **given: Any) -> tuple[list[Any], list[str], str]:
        """Return the values of the rows taken, the faults of the others, and what was lost."""
        titles = [column.name for column in kind.columns]
        lines = ["\t".join(cells) for cells in (titles, *(row.values() for row in rows))]
        self._path.write_text("\n".join(lines), newline="")
        losses = Losses()
        taken, faults = [], []
        with open_table(self._path, kind, Reading()) as table:
            reader = RowReader(kind, memories(table, GivenForms(**given), lambda _: None), losses)
            for batch in table.batches():
                read_rows = reader.read(batch)
                taken += list(zip(*read_rows.columns, strict=True))
                faults += [f"{f.reason.value}: {f.detail}" for row in read_rows.rejected for f in row.faults]
        return taken, faults, str(losses)

    def column(self, name: str, texts: Sequence[str], **given: Any) -> list[Any]:
        """Return what a column's texts are, None for a fault."""
        kind, row = (CUSTOMERS, CUSTOMER) if name in CUSTOMER and name != "customer_id" else (LOANS, LOAN)
        at = list(row).index(name)
        extra = {"emis_paid_on_time": "0"} if kind is LOANS else {}
        extra |= {"end_date": "9999-12-31"} if name == "start_date" and texts[0][:4].isdigit() else {}
        taken, _, _ = self.rows(kind, [row | extra | {name: text} for text in texts], **given)
        return [values[at] for values in taken]

    def fault(self, name: str, text: str) -> str:
        """Return the one fault of a row with this cell; empty when it is taken."""
        kind, row = (CUSTOMERS, CUSTOMER) if name in CUSTOMER and name != "customer_id" else (LOANS, LOAN)
        _, faults, _ = self.rows(kind, [row | {name: text}])
        return faults[0] if faults else ""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50,000", "50000"),
        ("4,500,000.50", "4500000.50"),
        ("45,00,000", "4500000"),
        ("50 000.5", "50000.5"),
        ("50\u202f000", "50000"),
        ("50'000", "50000"),
        ("1.0", "1.0"),
        ("007.5", "7.5"),
        ("$50,000", "50000"),
        ("₹ 50,000.00", "50000.00"),
        ("Rs. 50,000", "50000"),
        ("INR 50000", "50000"),
        ("50000 EUR", "50000"),
        ("-5", "-5"),
        ("$-5", "-5"),
        ("50,00", None),
        ("5,0000", None),
        ("50,000,00", None),
        ("1.2.3", None),
        ("50k", None),
        ("4.5M", None),
        ("3L", None),
        ("1 Cr", None),
        ("5e4", None),
        ("1_000", None),
        ("(500)", None),
        ("NaN", None),
        ("", None),
        ("\u0667", None),
        ("9" * 10_000, None),
    ],
)
def test_numbers_with_a_point_are_read_as_people_write_them(text: str, number: str | None) -> None:
    assert read(text, ".") == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [("50.000", "50000"), ("50.000,5", "50000.5"), ("8,2", "8.2"), ("1.0", None), ("€ 1.250.000,00", "1250000")],
)
def test_numbers_with_a_comma_are_read_too(text: str, number: str | None) -> None:
    assert read(text, ",") == (None if number is None else Decimal(number))


def test_the_decimal_mark_is_found_out_from_the_whole_file(reader: Reader) -> None:
    """A single number says nothing: 50.000 may be fifty or fifty thousand."""
    assert reader.column("monthly_repayment", ["50.000", "8,25"]) == ["50000.00", "8.25"]
    assert reader.column("monthly_repayment", ["50,000", "8.25"]) == ["50000.00", "8.25"]
    assert reader.column("monthly_repayment", ["50,000", "7"]) == ["50000.00", "7"]
    assert reader.column("monthly_repayment", ["344.333", "8.25"]) == ["344.33", "8.25"]
    assert reader.column("monthly_repayment", ["50.000"], decimal_mark=",") == ["50000.00"]


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["7", "50.000"], r"50.000 in line 3 may be 50.000 or 50000, and no other monthly_repayment tells which"),
        (["8.25", "8,25"], r"has numbers of two forms: 8.25 in line 2, 8,25 in line 3"),
    ],
)
def test_numbers_that_may_be_read_in_two_ways_are_refused_with_both(
    reader: Reader, texts: list[str], complaint: str
) -> None:
    with pytest.raises(BrokenFileError, match=complaint):
        reader.column("monthly_repayment", texts)


def test_evidence_of_another_column_does_not_make_thousands_decimals(reader: Reader) -> None:
    with pytest.raises(BrokenFileError, match=r"50.000 in line 2 may be"):
        reader.rows(LOANS, [LOAN | {"loan_amount": "50.000", "interest_rate": "8.2"}])


@pytest.mark.parametrize(
    "texts",
    [
        ["2021-05-13", "2021-5-1"],
        ["2021/05/13", "2021/05/01"],
        ["20210513", "20210501"],
        ["13/05/2021", "1/5/2021"],
        ["13.05.2021", "1.5.2021"],
        ["5/13/2021", "5/1/2021"],
        ["05-13-2021", "05-01-2021"],
        ["2021-05-13 00:00:00", "2021-05-01 00:00:00"],
        ["2021-05-13T00:00:00Z", "2021-05-01T00:00:00.000+00:00"],
        ["5/13/2021 12:00:00 AM", "5/1/2021 12:00 am"],
        ["13-May-2021", "1-may-2021"],
        ["13 May 2021", "1st May, 2021"],
        ["May 13, 2021", "May 1, 2021"],
        ["44329", "44317"],
        ["44329.0", "44317.25"],
    ],
)
def test_dates_are_read_in_the_one_form_that_fits_all(reader: Reader, texts: list[str]) -> None:
    assert reader.column(
        "start_date",
        texts,
    ) == ["2021-05-13", "2021-05-01"]


def test_dates_that_fit_two_forms_are_refused_with_both_readings(reader: Reader) -> None:
    with pytest.raises(
        BrokenFileError, match=r"3/9/2017 in line 2 is 2017-09-03 \(day/month/year\) or 2017-03-09 \(month"
    ):
        reader.column("start_date", ["3/9/2017", "5/5/2018"])
    assert reader.column("start_date", ["5/5/2018", "1/1/2018"]) == ["2018-05-05", "2018-01-01"]


def test_dates_of_two_forms_are_refused_by_line(reader: Reader) -> None:
    with pytest.raises(BrokenFileError, match=r"are day/month/year; '5/13/2021' in line 3 is month/day/year"):
        reader.column("start_date", ["13/5/2021", "5/13/2021"])


@pytest.mark.parametrize("form", ["DD/MM/YYYY", "d/m/yyyy", "%d/%m/%Y"])
def test_a_given_form_decides(reader: Reader, form: str) -> None:
    rows = [LOAN | {"start_date": "3/9/2017 00:00:00", "end_date": "4/9/2017"}]

    assert reader.rows(LOANS, rows, date_format=form)[0][0][8:10] == ("2017-09-03", "2017-09-04")


def test_a_given_form_that_names_no_date_is_refused(reader: Reader) -> None:
    with pytest.raises(BrokenFileError, match="'soon' is no form of dates"):
        reader.column("start_date", ["3/9/2017"], date_format="soon")


def test_two_digits_of_a_year_are_read_only_where_told(reader: Reader) -> None:
    assert reader.fault("start_date", "13/05/21").startswith("BAD_DATE")
    rows = [LOAN | {"start_date": "13/05/21", "end_date": "13/05/22"}]
    assert reader.rows(LOANS, rows, date_format="DD/MM/YY")[0][0][8] == "2021-05-13"


@pytest.mark.parametrize(
    ("word", "status"),
    [("Active", "APPROVED"), ("CLOSED", "PAID"), ("paid-off", "PAID"), ("Pending", "PENDING"), ("Gone", "PAID"),
     ("npa", "APPROVED")],
)  # fmt: skip
def test_statuses_are_known_by_other_words_and_by_those_given(reader: Reader, word: str, status: str) -> None:
    rows = [LOAN | {"status": word}]

    assert reader.rows(LOANS, rows, statuses={"gone": "PAID"})[0][0][10] == status


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("customer_id", "4294967295", 2**32 - 1),
        ("customer_id", "1,007", 1007),
        ("tenure", "12.0", 12),
        ("tenure", "65535", 65535),
        ("age", "255", 255),
        ("first_name", "é" * 100, "é" * 100),
        ("phone_number", "+123456789012345", "+123456789012345"),
        ("phone_number", "+91 96293 17944", "+919629317944"),
        ("phone_number", "(555) 123-4567", None),
        ("phone_number", "9629317944.0", "9629317944"),
        ("phone_number", "9.62932E+09", None),
        ("external_loan_id", "LN0001", "LN0001"),
        ("external_loan_id", "007", "007"),
        ("external_loan_id", "5,930", "5930"),
        ("external_loan_id", "5930.0", "5930"),
        ("external_loan_id", "2021-05/17 b", "2021-05/17 b"),
        ("lending_loan_id", "9007199254740991", 2**53 - 1),
        ("approved_limit", "9999999999.99", "9999999999.99"),
        ("loan_amount", "0.01", "0.01"),
        ("interest_rate", "8.2%", "8.20"),
        ("interest_rate", "8.2 %", "8.20"),
        ("interest_rate", "100.00", "100.00"),
        ("interest_rate", "101", None),
        ("interest_rate", "high", None),
        ("start_date", "1000-01-01", "1000-01-01"),
        ("end_date", "9999-12-31", "9999-12-31"),
    ],
)
def test_cells_become_values(reader: Reader, column: str, text: str, value: object) -> None:
    assert reader.column(column, [text]) == [value]


@pytest.mark.parametrize(
    ("column", "text", "fault"),
    [
        ("customer_id", "", "MISSING"),
        ("customer_id", "seven", "BAD_NUMBER"),
        ("customer_id", "7.5", "BAD_NUMBER"),
        ("customer_id", "0", "OUT_OF_RANGE"),
        ("customer_id", "4294967296", "OUT_OF_RANGE"),
        ("monthly_salary", "", "MISSING"),
        ("monthly_salary", "-0.01", "OUT_OF_RANGE"),
        ("monthly_salary", "50%", "BAD_NUMBER"),
        ("approved_limit", "10000000000", "OUT_OF_RANGE"),
        ("external_loan_id", "", "MISSING"),
        ("external_loan_id", "x" * 101, "BAD_ID"),
        ("lending_loan_id", "9007199254740992", "OUT_OF_RANGE"),
        ("loan_amount", "0", "OUT_OF_RANGE"),
        ("loan_amount", "0.004", "OUT_OF_RANGE"),
        ("tenure", "0", "OUT_OF_RANGE"),
        ("tenure", "12 months", "BAD_NUMBER"),
        ("monthly_repayment", "", "MISSING"),
        ("emis_paid_on_time", "13", "PAID_MORE_THAN_TENURE"),
        ("start_date", "", "MISSING"),
        ("start_date", "2023-02-29", "BAD_DATE"),
        ("start_date", "0999-12-31", "BAD_DATE"),
        ("start_date", "2025-02-01", "END_BEFORE_START"),
        ("start_date", "2021", "BAD_DATE"),
        ("status", "LOST", "BAD_STATUS"),
    ],
)
def test_a_cell_that_decides_and_cannot_be_taken_is_a_fault(reader: Reader, column: str, text: str, fault: str) -> None:
    assert reader.fault(column, text).startswith(fault)


def test_faults_of_some_rows_leave_the_others_alone(reader: Reader) -> None:
    rows = [LOAN, LOAN | {"tenure": "?"}, LOAN | {"customer_id": "8"}]

    taken, faults, _ = reader.rows(LOANS, rows)

    assert [values[0] for values in taken] == [7, 8]
    assert faults == ["BAD_NUMBER: tenure: '?' is not a whole number"]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("customer_id", ["7", "007", "4294967295"]),
        ("customer_id", ["7", "4294967296"]),
        ("customer_id", ["7", "0"]),
        ("loan_amount", ["7", "0.01", "9999999999.99"]),
        ("loan_amount", ["7", "00.00"]),
        ("loan_amount", ["7", "7.0051"]),
        ("monthly_repayment", ["7", "0"]),
        ("external_loan_id", ["LN7", "0017", "x" * 100]),
        ("external_loan_id", ["LN7", "x" * 101]),
        ("external_loan_id", ["LN7", "5,930"]),
        ("external_loan_id", ["LN7", ""]),
    ],
)
def test_a_cell_means_the_same_whatever_stands_beside_it(tmp_path: Path, name: str, texts: list[str]) -> None:
    reader = Reader(tmp_path)

    assert reader.column(name, texts) == [value for text in texts for value in reader.column(name, [text])]


def test_a_row_of_another_width_is_rejected_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("customer_id,monthly_salary,approved_limit\n1,2\n3,4,5\n6,7,8,9\n")
    with open_table(path, CUSTOMERS, Reading()) as table, suppress(BrokenFileError):
        rows = RowReader(CUSTOMERS, memories(table, GivenForms(), lambda _: None), Losses())
        (read_rows,) = map(rows.read, table.batches())

    assert read_rows.lines == [3]
    assert [(row.line, row.faults[0].detail) for row in read_rows.rejected] == [
        (2, "2 cells, unlike the first row: 1 | 2"),
        (4, "4 cells, unlike the first row: 6 | 7 | 8 | 9"),
    ]


def test_the_day_from_which_serial_numbers_count_is_the_workbooks() -> None:
    (serial,) = (form for form in forms(date(1904, 1, 1)) if "serial" in form.name)

    assert serial.read("42867") == "2021-05-13"
