"""From the text of a cell to the value that the database gets, by what its column holds."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from importer.columns import MAX_CUSTOMER_ID, MAX_MONEY, Column, Holds
from importer.reading.titles import bare
from importer.values.dates import Form
from importer.values.faults import Cut, Fault, Reason, Rounded, Unreadable
from importer.values.numbers import Mark, read, to_cents

Value = str | int | Fault | Unreadable | None
"""None for an empty cell. Numbers of money are text with at most two decimals, days text as 2021-05-13."""

REMEMBERED = 50_000
"""Values of a column that are not read again: days, rates and tenures come again and again."""
MAX_NAME_LENGTH = 100
MAX_ID_LENGTH = 100
MAX_PHONE_DIGITS = 15

MONEY = re.compile(r"(?=[0.]*[1-9])[0-9]{1,10}(?:\.[0-9]{1,2})?")
"""More than nothing, with nothing to round, and within the bounds of MAX_MONEY."""
DIGITS = re.compile(r"[0-9]{1,15}")
PHONE_NUMBER = re.compile(r"(\+?)([0-9][0-9\s()./-]*?)(\.0+)?")
NOT_IN_PHONE_NUMBERS = re.compile(r"[^0-9]")


class Memory(dict[str, Value]):
    """Reads the texts of a column: all at once where they are as programs write them, else each once, within bounds."""

    def __init__(self, reader: Callable[[str], Value], in_bulk: Callable[[Sequence[str]], Sequence[Value]]) -> None:
        super().__init__()
        self._reader = reader
        self._in_bulk = in_bulk

    def read(self, texts: Sequence[str]) -> Sequence[Value]:
        """Return the values of texts."""
        return self._in_bulk(texts) or list(map(self.__getitem__, texts))

    def __missing__(self, text: str) -> Value:
        """Read a text that is new."""
        value = self._reader(text)
        if len(self) < REMEMBERED:
            self[text] = value
        return value


def reader(column: Column, *, mark: Mark, form: Form | None, statuses: Mapping[str, str]) -> Callable[[str], Value]:
    """Return what reads the cells of a column.

    Args:
        column: It.
        mark: What begins decimals.
        form: Of its dates, where it has any.
        statuses: What words mean.
    """
    readers: dict[Holds, Callable[[str], Value]] = {
        Holds.WHOLE_NUMBER: lambda text: _whole(column, text, mark),
        Holds.AMOUNT: lambda text: _amount(column, text, mark),
        Holds.DATE: lambda text: _date(column, text, form),
        Holds.STATUS: lambda text: _status(column, text, statuses),
        Holds.LOAN_NAME: lambda text: _loan_name(column, text, mark),
        Holds.PERSON_NAME: _person_name,
        Holds.PHONE_NUMBER: _phone_number,
    }
    read_filled = readers[column.holds]

    def read_cell(text: str) -> Value:
        if not text:
            return None if column.may_be_empty else Fault(Reason.MISSING, f"{column.name} is empty")
        value = read_filled(text)
        return Unreadable(text) if isinstance(value, Fault) and not column.decides else value

    return read_cell


def reader_in_bulk(column: Column, mark: Mark) -> Callable[[Sequence[str]], Sequence[Value]]:
    """Return what reads cells of a column in a fifth of the time, or nothing where any of them needs a closer look.

    It is for columns of values that hardly come again: others are remembered.
    """
    if column.holds is Holds.LOAN_NAME:
        return _plain_names
    if column.holds is Holds.AMOUNT and column.highest == MAX_MONEY and mark == ".":
        return _plain_money
    if column.holds is Holds.WHOLE_NUMBER and column.highest >= MAX_CUSTOMER_ID:
        return partial(_plain_whole, int(column.lowest), int(column.highest))
    return lambda _: ()


def _plain_names(texts: Sequence[str]) -> Sequence[Value]:
    return texts if all(map(str.isalnum, texts)) and max(map(len, texts), default=0) <= MAX_ID_LENGTH else ()


def _plain_money(texts: Sequence[str]) -> Sequence[Value]:
    return texts if all(map(MONEY.fullmatch, texts)) else ()


def _plain_whole(lowest: int, highest: int, texts: Sequence[str]) -> Sequence[Value]:
    numbers = list(map(int, texts)) if all(map(DIGITS.fullmatch, texts)) else []
    return numbers if numbers and lowest <= min(numbers) and max(numbers) <= highest else ()


def _whole(column: Column, text: str, mark: Mark) -> Value:
    number = Decimal(text) if DIGITS.fullmatch(text) else read(text, mark)
    if number is None or number != number.to_integral_value():
        return Fault(Reason.BAD_NUMBER, f"{column.name}: {_shown(text)} is not a whole number")
    return int(number) if column.lowest <= number <= column.highest else _out_of_range(column, text)


def _amount(column: Column, text: str, mark: Mark) -> Value:
    if mark == "." and column.highest == MAX_MONEY and MONEY.fullmatch(text):
        return text
    number = read(text.removesuffix("%").rstrip() if column.name == "interest_rate" else text, mark)
    if number is None:
        return Fault(Reason.BAD_NUMBER, f"{column.name}: {_shown(text)} is not a number")
    cents = to_cents(number) if abs(number) <= column.highest + 1 else number
    if not column.lowest <= cents <= column.highest:
        return _out_of_range(column, text)
    return format(cents, "f") if cents == number else Rounded(format(cents, "f"))


def _date(column: Column, text: str, form: Form | None) -> Value:
    day = form.read(text) if form else None
    return day or Fault(
        Reason.BAD_DATE, f"{column.name}: {_shown(text)} is not a date{f' as {form.name}' if form else ''}"
    )


def _status(column: Column, text: str, statuses: Mapping[str, str]) -> Value:
    status = statuses.get(bare(text))
    return status or Fault(
        Reason.BAD_STATUS,
        f'{column.name}: {_shown(text)} is no known status, say --statuses "{text[:20]}=PAID" or the like',
    )


def _loan_name(column: Column, text: str, mark: Mark) -> Value:
    """Return the lender's own id; a number that a program wrote as 5930.0 or 5,930 is 5930 in its other files."""
    if text.isalnum():
        name = text
    else:
        number = read(text, mark) if text[:1].isdigit() and text[-1:].isdigit() else None
        name = str(int(number)) if number is not None and number == int(number) and text[0] != "0" else text
    if len(name) > MAX_ID_LENGTH:
        return Fault(Reason.BAD_ID, f"{column.name}: longer than {MAX_ID_LENGTH} characters")
    return name


def _person_name(text: str) -> Value:
    return text if len(text) <= MAX_NAME_LENGTH else Cut(text[:MAX_NAME_LENGTH].rstrip())


def _phone_number(text: str) -> Value:
    number = PHONE_NUMBER.fullmatch(text)
    if number is None:
        return Unreadable(text)
    digits = NOT_IN_PHONE_NUMBERS.sub("", number[2])
    return number[1] + digits if len(digits) <= MAX_PHONE_DIGITS else Unreadable(text)


def _out_of_range(column: Column, text: str) -> Fault:
    return Fault(Reason.OUT_OF_RANGE, f"{column.name}: {_shown(text)} is not from {column.lowest} to {column.highest}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_NAME_LENGTH else text[:MAX_NAME_LENGTH] + "...")
