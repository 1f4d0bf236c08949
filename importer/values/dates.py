"""Dates in the one form that fits every value of a column, or in the form that was given."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import NamedTuple

from importer.errors import BrokenFileError

Reader = Callable[[str], str | None]
"""From a text to the date as 2021-05-13, or None."""

FIRST_DATE = date(1000, 1, 1)
"""MySQL supports none before."""
SERIALS = range(10_000, 100_000)
"""From 1927 to 2173: a smaller number is a year, or a mistake."""

TIME = (
    r"(?:[T\s]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
    r"\s*(?:[AaPp]\.?[Mm]\.?)?\s*(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?"
)
"""A time of day after the date is left out."""
AFTER_A_DATE = re.compile(TIME + "$")
IN_A_CELL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: .*)?")
"""A workbook's own dates, which have no form."""
MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip

DAY, MONTH, YEAR, NAME = r"(?P<d>[0-9]{1,2})", r"(?P<m>[0-9]{1,2})", r"(?P<y>[0-9]{4})", r"(?P<m>[A-Za-z]{3,9})"
SEPARATOR, THE_SAME = r"(?P<s>[-/. ])", r"(?P=s)"
ORDINAL = r"(?:st|nd|rd|th)?"
PATTERNS = {
    "year-month-day": YEAR + SEPARATOR + MONTH + THE_SAME + DAY,
    "yearmonthday": YEAR + r"(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
    "day/month/year": DAY + SEPARATOR + MONTH + THE_SAME + YEAR,
    "month/day/year": MONTH + SEPARATOR + DAY + THE_SAME + YEAR,
    "day month-name year": DAY + ORDINAL + r"[-/. ]{0,2}" + NAME + r"[-/., ]{0,2}" + YEAR,
    "month-name day, year": NAME + r"[-/. ]{0,2}" + DAY + ORDINAL + r"[-/., ]{1,2}" + YEAR,
}
SERIAL = "spreadsheet's serial number"
SERIAL_NUMBER = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")


class Form(NamedTuple):
    """One way to write dates."""

    name: str
    read: Reader


def forms(first_day: date) -> list[Form]:
    """Return all forms that are recognised; serial numbers count from `first_day`."""

    def serial(text: str) -> str | None:
        if not SERIAL_NUMBER.fullmatch(text):
            return None
        days = int(text.partition(".")[0])
        return (first_day + timedelta(days)).isoformat() if days in SERIALS else None

    return [*(Form(name, _by_pattern(re.compile(pattern + TIME))) for name, pattern in PATTERNS.items()),
            Form(SERIAL, serial)]  # fmt: skip


def form_given(text: str, *, of_workbook: bool) -> Form:
    """Return the form of --date-format: %d/%m/%Y or DD/MM/YYYY.

    Raises:
        BrokenFileError: It names no date.
    """
    tokens = {"yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "mm": "%m", "m": "%m", "dd": "%d", "d": "%d"}
    pattern = text
    if "%" not in text:
        pattern = re.sub(r"y+|m+|d+", lambda token: tokens.get(token[0], token[0]), text.lower())
    if not all(re.search(part, pattern) for part in ("%[Yy]", "%[mbB]", "%d")):
        raise BrokenFileError(f"{text!r} is no form of dates; say it as DD/MM/YYYY or as %d/%m/%Y.")

    def read(written: str) -> str | None:
        if of_workbook and IN_A_CELL.fullmatch(written):
            return written[: len("2021-05-13")]
        for each in (written, AFTER_A_DATE.sub("", written)):
            with suppress(ValueError):
                return _within(datetime.strptime(each, pattern).date())  # noqa: DTZ007 - a day has no zone
        return None

    return Form(text, read)


class DateForm:
    """Finds out in which form a column's dates are, from all of them."""

    def __init__(self, name: str, column: str, first_day: date) -> None:
        """Take what to call the file and the column, and from which day its serial numbers count."""
        self._name = name
        self._column = column
        self._forms = forms(first_day)
        self._possible = self._forms
        self._differ: tuple[int, str] | None = None

    def look(self, text: str, line: Callable[[], int]) -> None:
        """Take a text into account; one that is a date in no form will be its row's fault, not the column's.

        Raises:
            BrokenFileError: No form is left that fits all.
        """
        fitting = {form for form in self._forms if form.read(text) is not None}
        if not fitting:
            return
        possible = [form for form in self._possible if form in fitting]
        if not possible:
            names = " or ".join(form.name for form in self._possible)
            raise BrokenFileError(
                f"{self._name}: no one form fits every {self._column}. Those before are {names}; {text!r} in line "
                f"{line()} is {' or '.join(sorted(form.name for form in fitting))}."
            )
        self._possible = possible
        if self._differ is None and len({form.read(text) for form in possible}) > 1:
            self._differ = line(), text

    def found(self) -> Form:
        """Return the form.

        Raises:
            BrokenFileError: More than one fits, and they differ.
        """
        if len(self._possible) > 1 and self._differ:
            line, text = self._differ
            readings = " or ".join(f"{form.read(text)} ({form.name})" for form in self._possible)
            raise BrokenFileError(
                f"{self._name}: every {self._column} fits more than one form. {text} in line {line} is {readings}. "
                "Say --date-format DD/MM/YYYY or --date-format MM/DD/YYYY."
            )
        return self._possible[0]


def _by_pattern(pattern: re.Pattern[str]) -> Reader:
    def read(text: str) -> str | None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        month = found["m"]
        number = int(month) if month.isdigit() else MONTHS.get(month.lower(), 0)
        try:
            return _within(date(int(found["y"]), number, int(found["d"])))
        except ValueError:
            return None

    return read


def _within(day: date) -> str | None:
    return day.isoformat() if day >= FIRST_DATE else None
