"""What the importer makes of a file, and what it says of one that it cannot read."""

import csv
import io
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from importer.columns import CUSTOMERS, LOANS, Kind
from importer.errors import BrokenFileError
from importer.reading.csv_file import CsvFile
from importer.reading.encodings import Encoding
from importer.reading.table import Reading, open_table
from importer.reading.titles import bare

TITLES = "customer_id,first_name,last_name,age,phone_number,monthly_salary,approved_limit"
ROW = ["7", "Zoë", "Rao", "41", "5550000007", "50000", "1800000", ""]
MEBIBYTE = 2**20


class Reader:
    """Reads tables from files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "people.csv"

    def rows(self, content: bytes, kind: Kind = CUSTOMERS, **reading: Any) -> list[tuple[int, list[str]]]:
        self._path.write_bytes(content)
        with open_table(self._path, kind, Reading(**reading)) as table:
            assert all(not batch.ragged for batch in table.batches())
            return [
                (line, list(cells))
                for batch in table.batches()
                for line, *cells in zip(batch.lines, *batch.columns, strict=True)
            ]

    def notes(self, content: bytes, **reading: Any) -> list[str]:
        self._path.write_bytes(content)
        with open_table(self._path, CUSTOMERS, Reading(**reading)) as table:
            return [*table.notes, *table.unused]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def lines(*rows: str, end: str = "\n") -> str:
    return end.join([TITLES, *rows, ""])


OTHER_TITLES = "Customer_ID,FirstName,Surname,Age,Mobile No.,MonthlySalary (INR),Approved  Limit"
OTHER_ORDER = "Limit,ID,Income,Age,Surname,FName,Tel"
PLAIN = "7,Zoë,Rao,41,5550000007,50000,1800000"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(lines(PLAIN).encode("utf-8-sig"), 2, id="byte order mark"),
        pytest.param(lines(PLAIN).encode("utf-16"), 2, id="UTF-16 with a mark"),
        pytest.param(lines(PLAIN).encode("utf-16-le"), 2, id="UTF-16 without"),
        pytest.param(lines(PLAIN).encode("utf-16-be"), 2, id="UTF-16, the other way round"),
        pytest.param(lines(PLAIN).encode("cp1252"), 2, id="Windows-1252"),
        pytest.param(lines(PLAIN, end="\r\n").encode(), 2, id="lines end as on Windows"),
        pytest.param(lines(PLAIN, end="\r").encode(), 2, id="lines end as on old Macs"),
        pytest.param(lines(PLAIN).encode().rstrip(), 2, id="no end of the last line"),
        pytest.param(lines(PLAIN).replace(",", " , ").encode(), 2, id="blanks around the cells"),
        pytest.param(lines(PLAIN).replace(",", ";").encode(), 2, id="semicolons"),
        pytest.param(lines(PLAIN).replace(",", "\t").encode(), 2, id="tabs"),
        pytest.param(lines(PLAIN).replace(",", "|").encode(), 2, id="bars"),
        pytest.param(b"sep=,\n" + lines(PLAIN).encode(), 3, id="sep=,"),
        pytest.param(b"sep=;\r\n" + lines(PLAIN).replace(",", ";").encode(), 3, id="sep=;"),
        pytest.param(b"sep=\t\r\n" + lines(PLAIN).replace(",", "\t").encode(), 3, id="sep=tab"),
        pytest.param(lines(",,,,,,", PLAIN, ",,,,,,", " ,,,,,,").encode(), 3, id="rows of commas"),
        pytest.param(lines("", PLAIN).encode(), 3, id="an empty line"),
        pytest.param(lines(PLAIN + ",,").encode(), 2, id="commas too many at the end"),
        pytest.param(f"{OTHER_TITLES}\n{PLAIN}".encode(), 2, id="other titles"),
        pytest.param(f"{OTHER_ORDER}\n1800000,7,50000,41,Rao,Zoë,5550000007".encode(), 2, id="another order"),
        pytest.param(
            "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in (TITLES, PLAIN)).encode(),
            2,
            id="everything quoted",
        ),
    ],
)  # fmt: skip
def test_harmless_variations_read_the_same(reader: Reader, content: bytes, line: int) -> None:
    assert reader.rows(content) == [(line, ROW)]


def test_a_record_is_known_by_the_line_it_begins_on(reader: Reader) -> None:
    content = lines('7,"Zoë,\nQuinn",Rao,41,1,2,3', "", "8,Ann,Rao,41,1,2,3").encode()

    assert [(line, cells[1]) for line, cells in reader.rows(content)] == [(2, "Zoë,\nQuinn"), (5, "Ann")]


def test_a_guessed_encoding_is_told_with_an_example(reader: Reader) -> None:
    (note,) = reader.notes(lines(PLAIN).encode("cp1252"))

    assert note.startswith("read as cp1252, a guess: is this right? '7,Zoë,Rao")
    assert reader.notes(lines(PLAIN).encode("cp1252"), encoding="windows-1252") == []
    russian = lines("7,Иван,Петров,41,1,2,3", "8,Мария,Сидорова,41,1,2,3").encode("cp1251")
    assert reader.rows(russian)[1][1][1:3] == ["Мария", "Сидорова"]


def test_titles_that_are_not_known_can_be_given_or_ignored(reader: Reader) -> None:
    content = b"Number;Take-home;Approved Limit;Limit;Branch\n7;50000;1800000;5;North\n"

    given = {"Number": "customer_id", "take-home": "monthly_salary", "LIMIT": ""}
    assert reader.rows(content, titles=given) == [(2, ["7", "", "", "", "", "50000", "1800000", ""])]
    assert reader.notes(content, titles=given) == ["Branch"]


def test_a_file_without_titles_is_read_in_the_order_given(reader: Reader) -> None:
    order = {"customers": ["customer_id", "first_name", "", "monthly_salary", "approved_limit"]}

    assert reader.rows("7;Zoë;x;50000;1800000\n".encode(), orders=order) == [
        (1, ["7", "Zoë", "", "", "", "50000", "1800000", ""])
    ]
    with pytest.raises(BrokenFileError, match="has 4 columns in its first row; the order given names 5"):
        reader.rows(b"7;50000;1;2\n", orders=order)
    with pytest.raises(BrokenFileError, match="has titles; give no order"):
        reader.rows(b"customer_id,first_name,x,monthly_salary,approved_limit\n", orders=order)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n,,,\n", "is empty", id="empty lines"),
        pytest.param(b"customer_id,age,monthly_salary\n", "lacks approved_limit", id="a column is missing"),
        pytest.param(b"id,income,cap\n", "lacks approved_limit.*but has 'cap'", id="a title is unknown"),
        pytest.param(TITLES.encode() + b",Limit\n", "approved_limit is 'approved_limit' and 'Limit'", id="twice"),
        pytest.param(b"7,Asha\n8,Zoe\n", "lacks customer_id, monthly_salary, approved_limit", id="no titles"),
        pytest.param(lines('7,"Zoe').encode(), "not CSV: .* from line 2 on", id="cut off within a quoted cell"),
        pytest.param(lines('7,"Zoe"x,,,,,').encode(), "not CSV: .* from line 2 on", id="a quote amid a cell"),
        pytest.param(b"\x00" * MEBIBYTE, "is no text", id="zeros"),
        pytest.param(b"x" * MEBIBYTE, "line 1 has no end", id="one endless line"),
        pytest.param(b"PK\x03\x04\x14\x00\x08", "is no workbook that can be read", id="half a spreadsheet"),
        pytest.param(b"\xd0\xcf\x11\xe0", "save it as xlsx without a password", id="an old spreadsheet"),
    ],
)
def test_a_broken_file_is_refused_by_what_is_wrong_with_it(reader: Reader, content: bytes, complaint: str) -> None:
    with pytest.raises(BrokenFileError, match=rf"people\.csv.* {complaint}"):
        reader.rows(content)


def test_an_encoding_that_does_not_fit_is_refused(reader: Reader) -> None:
    with pytest.raises(BrokenFileError, match="is not ascii: byte 0xc3 after line 0"):
        reader.rows(lines(PLAIN).encode(), encoding="ascii")
    with pytest.raises(BrokenFileError, match="There is no encoding 'klingon'"):
        reader.rows(b"", encoding="klingon")


# -- workbooks --


def workbook(fill: Callable[[Workbook], object]) -> bytes:
    book = Workbook()
    fill(book)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def fill_loans(book: Workbook) -> None:
    sheet: Any = book.active
    sheet.append(["Customer ID", "Loan ID", "Loan Amount", "Tenure", "Interest Rate", "Monthly payment",
                  "EMIs paid on Time", "Date of Approval", "End Date"])  # fmt: skip
    sheet.append(
        [
            7,
            5930,
            900000,
            129.0,
            0.082,
            15344.333333333334,
            "114",
            datetime.combine(date(2017, 3, 9), time.min),
            date(2027, 12, 9),
        ]
    )
    sheet["E2"].number_format = "0.00%"
    for cell in "ABC":
        sheet[f"{cell}2"].number_format = "#,##0"
    sheet["H2"].number_format = "mm-dd-yy"
    sheet.append([None] * 9)


def test_a_workbook_is_read_by_what_its_cells_hold_and_not_by_how_they_look(reader: Reader) -> None:
    assert reader.rows(workbook(fill_loans), LOANS) == [
        (2, ["7", "5930", "", "900000", "129", "8.2", "15344.3333333333", "114", "2017-03-09", "2027-12-09", ""])
    ]


def test_of_several_sheets_the_one_whose_titles_fit_is_read(reader: Reader) -> None:
    def fill(book: Workbook) -> None:
        book.worksheets[0].append(["Notes"])
        book.create_sheet("People").append(TITLES.split(","))
        book["People"].append([7, "Zoë", "Rao", 41, 5550000007, 50000, 1800000.0])

    def fill_two(book: Workbook) -> None:
        fill(book)
        book.create_sheet("More").append(TITLES.split(","))

    assert reader.rows(workbook(fill)) == [(2, ROW)]
    with pytest.raises(BrokenFileError, match="has the sheets Sheet, People, More; the titles of 2 of them fit"):
        reader.rows(workbook(fill_two))


# -- in bounded memory --


class Stream(io.RawIOBase):
    """A file of titles and as many rows as asked for, made as they are read; fails at the end if told to."""

    def __init__(self, rows: int, *, fails: bool = False) -> None:
        self._rows, self._fails = rows, fails
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, _offset: int, _whence: int = 0) -> int:
        self._chunks = self._content()
        return 0

    def readinto(self, buffer: Any) -> int:
        chunk = next(self._chunks, b"")
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _content(self) -> Iterator[bytes]:
        yield b"id,name\n"
        for number in range(self._rows):
            yield b"%d,somebody\n" % number
        if self._fails:
            raise OSError(5, "Input/output error")


def csv_file(rows: int, *, fails: bool = False) -> CsvFile:
    file: Any = io.BufferedReader(Stream(rows, fails=fails))
    return CsvFile(file, "people.csv", Encoding("utf-8"), fitness=len)


def test_a_file_that_cannot_be_read_on_is_refused() -> None:
    with pytest.raises(BrokenFileError, match=r"people\.csv cannot be read on after line .*: Input/output error"):
        list(csv_file(20_000, fails=True).records())


def test_memory_does_not_grow_with_the_file() -> None:
    tracemalloc.start()
    try:
        last = max(line for line, _ in csv_file(20_000).records())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert last == 20_001
    assert peak < MEBIBYTE


def test_the_dialect_of_excel_is_understood_in_full(reader: Reader) -> None:
    text = io.StringIO()
    csv.writer(text).writerow(["7", 'Zo"ë', "Rao, Jr\r\nIII", "41", "1", "2", "3"])

    (row,) = reader.rows((TITLES + "\r\n" + text.getvalue()).encode())

    assert row[1][1:3] == ['Zo"ë', "Rao, Jr\r\nIII"]


@pytest.mark.parametrize("kind", [CUSTOMERS, LOANS], ids=lambda kind: kind.name)
def test_no_title_stands_for_two_columns(kind: Kind) -> None:
    titles = [bare(title) for column in kind.columns for title in (column.name, *column.also_called)]

    assert [title for title, times in Counter(titles).items() if times > 1] == []
