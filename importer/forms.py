"""In which form a table writes its numbers and dates: found from all of its values, before any is taken."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from importer.columns import Column, Holds
from importer.reading.table import Table
from importer.values.cells import REMEMBERED, Memory, reader, reader_in_bulk
from importer.values.dates import DateForm, Form, form_given
from importer.values.numbers import DecimalMark, Mark
from importer.values.statuses import meanings

DIGITS = re.compile(r"(?:[0-9]*\n)*")
DIGITS_AND_A_POINT = re.compile(r"(?:[0-9]*(?:\.(?:[0-9]{1,2}|[0-9]{4,}))?\n)*")
"""What tells nothing new once a column has a number that makes sense with a point alone."""
NUMBERS = (Holds.WHOLE_NUMBER, Holds.AMOUNT)


@dataclass(frozen=True)
class GivenForms:
    """What the importer was told of how values are written."""

    date_format: str | None = None
    decimal_mark: Mark | None = None
    statuses: Mapping[str, str] = field(default_factory=dict)


def memories(table: Table, given: GivenForms, advance: Callable[[int], object]) -> list[Memory]:
    """Return what reads each column of a table, each value once.

    Args:
        table: It.
        given: What is known.
        advance: Told the number of rows of each batch as it is looked at.
    Raises:
        BrokenFileError: The values of a column are of two forms, or of one that may be read in two ways.
    """
    mark: Mark | None = "." if table.of_workbook else given.decimal_mark
    dates = [
        (at, DateForm(table.name, column.name, table.first_day))
        for at, column in enumerate(table.kind.columns)
        if column.holds is Holds.DATE and not given.date_format
    ]
    numbers = [(at, column) for at, column in enumerate(table.kind.columns) if column.holds in NUMBERS and mark is None]
    found_mark = DecimalMark(table.name)
    if dates or numbers:
        _look(table, dates, numbers, found_mark, advance)
    form: dict[int, Form]
    if given.date_format:
        known = form_given(given.date_format, of_workbook=table.of_workbook)
        form = {at: known for at, column in enumerate(table.kind.columns) if column.holds is Holds.DATE}
    else:
        form = {at: date_form.found() for at, date_form in dates}
    statuses = meanings(given.statuses)
    settled: Mark = mark or found_mark.found()
    return [
        Memory(reader(column, mark=settled, form=form.get(at), statuses=statuses), reader_in_bulk(column, settled))
        for at, column in enumerate(table.kind.columns)
    ]


def _look(
    table: Table,
    dates: list[tuple[int, DateForm]],
    numbers: list[tuple[int, Column]],
    mark: DecimalMark,
    advance: Callable[[int], object],
) -> None:
    seen = {at: _Seen() for at, _ in dates}
    for batch in table.batches():
        for at, form in dates:
            for text, line in seen[at].new(batch.columns[at], batch.lines):
                if text:
                    form.look(text, line)
        for at, column in numbers:
            for text in _telling(batch.columns[at], DIGITS_AND_A_POINT if mark.is_point_in(column.name) else DIGITS):
                mark.look(column.name, text, column.highest, partial(_line_of, text, batch.columns[at], batch.lines))
        advance(len(batch.lines) + len(batch.ragged))


class _Seen:
    """The values of a column that were looked at, within bounds."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def new(self, texts: Sequence[str], lines: Sequence[int]) -> Iterator[tuple[str, Callable[[], int]]]:
        """Yield the values that are new, in their order, and how to find the line of each."""
        for text in dict.fromkeys(texts):
            if text not in self._values:
                if len(self._values) < REMEMBERED:
                    self._values.add(text)
                yield text, partial(_line_of, text, texts, lines)


def _telling(texts: Sequence[str], nothing_new: re.Pattern[str]) -> list[str]:
    """Return the numbers of a column that may tell something: most columns have none, and are dismissed at once."""
    if nothing_new.fullmatch("\n".join([*texts, ""])):
        return []
    return [text for text in dict.fromkeys(texts) if not nothing_new.fullmatch(f"{text}\n")]


def _line_of(text: str, texts: Sequence[str], lines: Sequence[int]) -> int:
    return lines[texts.index(text)]
