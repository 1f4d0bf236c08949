"""Which column of a table is which, by its title or by the order that was given."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from importer.columns import REJECTS_COLUMNS, Kind
from importer.errors import BrokenFileError

IN_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]")


class Layout(NamedTuple):
    """Where the columns of a table are."""

    titled: bool
    """Whether the first record holds titles."""
    width: int
    positions: list[int | None]
    """Of each column of the kind, in its order; None where the table has none."""
    unused: list[str]
    """Titles that mean nothing here."""


class Titles:
    """What titles mean in one table."""

    def __init__(self, kind: Kind, given: Mapping[str, str], order: Sequence[str]) -> None:
        """Take what is known and what was given.

        Args:
            kind: Of the table.
            given: Titles and the columns that they stand for, before all others; "" for one to be ignored.
            order: The columns of a table without titles; "" for one to be ignored. Empty: it has titles.
        Raises:
            BrokenFileError: One of them names no column.
        """
        self._kind = kind
        self._order = list(order)
        names = [column.name for column in kind.columns]
        for name in order:
            if name and name not in names:
                raise BrokenFileError(f"{kind.name} have no column {name!r}; they have {', '.join(names)}.")
        known = {bare(title): column.name for column in kind.columns for title in (column.name, *column.also_called)}
        known |= dict.fromkeys(map(bare, REJECTS_COLUMNS), "")
        self._meanings = known | {bare(title): name for title, name in given.items() if not name or name in names}

    def fitness(self, record: Sequence[str]) -> int:
        """Return how many cells of a first record are what they would be, were it cut right."""
        return sum(map(bool, map(self._meaning, record))) if not self._order else len(record) == len(self._order)

    def fits(self, record: Sequence[str]) -> bool:
        """Tell whether a first record has all that the kind of table needs."""
        return not self._lacking([self._meaning(title) for title in record])

    def layout(self, record: Sequence[str], name: str) -> Layout:
        """Return where the columns are.

        Args:
            record: The first one of the table.
            name: What to call the table in messages.
        Raises:
            BrokenFileError: It lacks a column, or has one twice.
        """
        meanings = self._order or [self._meaning(title) or "" for title in record]
        if self._order and len(record) != len(self._order):
            raise BrokenFileError(
                f"{name} has {len(record)} columns in its first row; the order given names {len(self._order)}."
            )
        if self._order and self.fits(record):
            raise BrokenFileError(f"{name} has titles; give no order of its columns.")
        repeated = sorted({meaning for meaning in meanings if meaning and meanings.count(meaning) > 1})
        if repeated:
            said = "; ".join(f"{meaning} is {self._titles_of(meaning, record)}" for meaning in repeated)
            raise BrokenFileError(f'{name} has columns twice: {said}. Ignore one of each by --columns "TITLE=".')
        lacking = self._lacking(meanings)
        if lacking:
            unknown = [title.strip() for title in record if not self._meaning(title)]
            raise BrokenFileError(
                f"{name} lacks {', '.join(lacking)}. Its first row has no known title for them"
                + (f", but has {', '.join(map(repr, unknown))}" if unknown else "")
                + '. Say which is which by --columns "TITLE=column", or give the order of a table without titles.'
            )
        unused = (
            []
            if self._order
            else [title.strip() for title in record if title.strip() and bare(title) not in self._meanings]
        )
        positions = [meanings.index(column.name) if column.name in meanings else None for column in self._kind.columns]
        return Layout(not self._order, len(record), positions, unused)

    def _meaning(self, title: str) -> str:
        return self._meanings.get(bare(title), "")

    def _lacking(self, meanings: Sequence[str]) -> list[str]:
        lacking = [column for column in self._kind.needed if column not in meanings]
        if self._kind.name == "loans" and not {"external_loan_id", "lending_loan_id"} & set(meanings):
            lacking.append("external_loan_id")
        return lacking

    def _titles_of(self, meaning: str, record: Sequence[str]) -> str:
        if self._order:
            return "named twice in the order given"
        return " and ".join(repr(title.strip()) for title in record if self._meaning(title) == meaning)


def bare(title: str) -> str:
    """Return a title as the tables of titles have it: "Loan Amount (INR)" is loanamount."""
    text = unicodedata.normalize("NFKC", IN_BRACKETS.sub("", title) or title)
    return "".join(filter(str.isalnum, text.casefold()))
