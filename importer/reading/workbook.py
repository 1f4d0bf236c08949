"""A sheet of an xlsx workbook, row by row; what its cells hold, however they are displayed."""

import warnings
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from importer.errors import BrokenFileError
from importer.reading.csv_file import Record

MAGIC = b"PK\x03\x04"
OLD_MAGIC = b"\xd0\xcf\x11\xe0"
"""Of xls and of workbooks with a password."""
TITLE_ROWS = 20
"""A sheet whose first row with anything in it comes later is not the one."""

DECIMALS = 10
"""Beyond them a cell's number holds what binary fractions leave over."""

BROKEN = (BadZipFile, InvalidFileException, KeyError, ValueError, SyntaxError, OSError, EOFError)
"""What openpyxl raises on files that are no workbooks, or broken ones; ParseError is a SyntaxError."""


class WorkbookFile:
    """The records of the one sheet that fits."""

    def __init__(self, file: BinaryIO, name: str, *, fits: Callable[[list[str]], bool]) -> None:
        """Find the sheet.

        Args:
            file: The open file.
            name: What to call it in messages.
            fits: Whether a first record is that of the sheet wanted.
        Raises:
            BrokenFileError: It is no workbook, or has not exactly one such sheet.
        """
        self._name = name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and extensions that nobody needs here
                self._book = load_workbook(file, read_only=True, data_only=True)
        except BROKEN as exc:
            raise BrokenFileError(f"{name} is no workbook that can be read: {exc}.") from exc
        sheets = [sheet for sheet in self._book.worksheets if sheet.sheet_state == "visible"]
        if len(sheets) > 1:
            fitting = [sheet for sheet in sheets if fits(self._first_record(sheet))]
            if len(fitting) != 1:
                names = ", ".join(sheet.title for sheet in sheets)
                raise BrokenFileError(f"{name} has the sheets {names}; the titles of {len(fitting)} of them fit.")
            sheets = fitting
        self._sheet = sheets[0]
        self.notes = [f"sheet {self._sheet.title}"] if len(self._book.worksheets) > 1 else []
        self.first_day: date = self._book.epoch.date()

    def records(self) -> Iterator[Record]:
        """Yield each row that has anything in it.

        Raises:
            BrokenFileError: The sheet cannot be read on.
        """
        self._sheet.reset_dimensions()  # programs write wrong ones
        return self._records(self._sheet.iter_rows())

    def _first_record(self, sheet: Any) -> list[str]:
        return next(self._records(islice(sheet.iter_rows(), TITLE_ROWS)), (0, list[str]()))[1]

    def _records(self, rows: Any) -> Iterator[Record]:
        width = 0
        try:
            for number, row in enumerate(rows, start=1):
                cells = [_text(cell) for cell in row]
                if any(cells):
                    # A row ends with its last filled cell: as wide as the first, which has the titles.
                    width = width or _filled(cells)
                    yield number, cells[: max(width, _filled(cells))] + [""] * (width - len(cells))
        except BROKEN as exc:
            raise BrokenFileError(f"{self._name} cannot be read on: {exc}.") from exc


def _filled(cells: list[str]) -> int:
    return max((number for number, cell in enumerate(cells, start=1) if cell), default=0)


def _text(cell: Any) -> str:
    """Return what the cell holds in one form, whatever its display format: 13 May 2021 is 2021-05-13."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.isoformat(" ") if value.time() != time.min else value.date().isoformat()
    if isinstance(value, int | float):
        number = Decimal(repr(value))
        if "%" in (cell.number_format or ""):
            number *= 100
        text = format(round(number, DECIMALS), "f")
        return text.rstrip("0").rstrip(".")
    return str(value)
