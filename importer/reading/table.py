"""A table of customers or loans in a file of any sort, as batches of columns of text."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

from importer.columns import Kind
from importer.errors import BrokenFileError
from importer.reading.csv_file import CsvFile, Record
from importer.reading.encodings import encoding_of
from importer.reading.titles import Titles
from importer.reading.workbook import MAGIC, OLD_MAGIC, WorkbookFile

BATCH_ROWS = 1000
"""The cells of more do not fit into a processor's cache: 2000 take a third longer to look at. 100 kB a statement."""
SPREADSHEETS_FIRST_DAY = date(1899, 12, 30)


@dataclass(frozen=True)
class Reading:
    """How files are to be read, where they do not say so themselves."""

    encoding: str | None = None
    titles: Mapping[str, str] | None = None
    """Titles and what they stand for; "" for a column to be ignored."""
    orders: Mapping[str, Sequence[str]] | None = None
    """By kind, the columns of a table without titles."""


class Batch(NamedTuple):
    """Some rows."""

    lines: Sequence[int]
    columns: list[list[str]]
    """A list for each column of the kind, stripped; of empty strings where the table has none."""
    ragged: list[Record]
    """Rows with more or fewer cells than the first, which are in no column."""


@dataclass(frozen=True)
class Table:
    """A table that can be read more than once."""

    name: str
    kind: Kind
    unused: list[str]
    """Titles of columns that mean nothing here."""
    absent: frozenset[str]
    """Columns of the kind that the table has not."""
    notes: list[str]
    """What was made of the file where it could have been read otherwise."""
    of_workbook: bool
    """Whether its numbers and dates are typed, and were given here as 1234.5 and 2021-05-13."""
    first_day: date
    """From which its serial numbers of days count."""
    batches: Callable[[], Iterator[Batch]]


@contextmanager
def open_table(path: Path, kind: Kind, reading: Reading) -> Iterator[Table]:
    """Open a file and find the table in it.

    Raises:
        BrokenFileError: It cannot be read, or is not what it should be.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_opened(path))
        name = str(path)
        titles = Titles(kind, reading.titles or {}, (reading.orders or {}).get(kind.name, ()))
        start = file.read(len(MAGIC))
        file.seek(0)
        if start == OLD_MAGIC:
            raise BrokenFileError(f"{name} is an old or a locked spreadsheet; save it as xlsx without a password.")
        source: CsvFile | WorkbookFile
        if start == MAGIC:
            source = WorkbookFile(file, name, fits=titles.fits)
            of_workbook, first_day = True, source.first_day
        else:
            encoding = encoding_of(file, name, reading.encoding)
            source = CsvFile(file, name, encoding, fitness=titles.fitness)
            of_workbook, first_day = False, SPREADSHEETS_FIRST_DAY
        _, first = next(source.records(), (0, None))
        if first is None:
            raise BrokenFileError(f"{name} is empty: not even a row with the titles of its columns.")
        layout = titles.layout(first, name)

        def batches() -> Iterator[Batch]:
            records = islice(source.records(), 1 if layout.titled else 0, None)
            while rows := list(islice(records, BATCH_ROWS)):
                yield _batch(rows, layout.width, layout.positions)

        yield Table(
            name=name,
            kind=kind,
            unused=layout.unused,
            absent=frozenset(
                column.name for column, at in zip(kind.columns, layout.positions, strict=True) if at is None
            ),
            notes=source.notes,
            of_workbook=of_workbook,
            first_day=first_day,
            batches=batches,
        )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file that can be read again from its beginning: of a pipe, a copy."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            copy = None if file.seekable() else stack.enter_context(TemporaryFile())
            if copy:
                # Unbuffered: a buffer that is half full reads on, and Ctrl-C is not heard before the pipe has more.
                shutil.copyfileobj(file.raw, copy)
                copy.seek(0)
        except OSError as exc:
            raise BrokenFileError(f"{path} cannot be read: {exc.strerror}.") from exc
        yield copy or file


def _batch(rows: list[Record], width: int, positions: Sequence[int | None]) -> Batch:
    whole = [row for row in rows if len(row[1]) == width]
    ragged: list[Record] = []
    if len(whole) != len(rows):
        # Separators too many at the end of a line are not a cell.
        cut = [(line, cells[:width] if not any(cells[width:]) else cells) for line, cells in rows]
        whole = [row for row in cut if len(row[1]) == width]
        ragged = [row for row in cut if len(row[1]) != width]
    columns = list(zip(*(cells for _, cells in whole), strict=True))
    empty = [""] * len(whole)
    return Batch(
        [line for line, _ in whole],
        [empty if at is None or not whole else list(map(str.strip, columns[at])) for at in positions],
        ragged,
    )
