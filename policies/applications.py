"""Applications from a file: CSV with the contract's fields as titles, or decision records as lines of JSON."""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from lending.domain.loans import LoanApplication
from lending.request_errors import InvalidRequestError
from lending.requests import LOAN_REQUEST, loan_application

NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
FIRST_ERROR = 400
OF_THE_FIRST = ("figures", "policy")
REQUIRED = [name for name, field in LOAN_REQUEST.items() if not field.optional]


class ApplicationFileError(Exception):
    """A file is not what it should be; the message says where."""


class Asked(NamedTuple):
    """One line of a file."""

    line: int
    values: Mapping[str, str]
    """As they stand there."""
    application: LoanApplication | None
    """None where the line is out of the contract's bounds."""
    fault: str = ""


def read_csv(path: Path) -> Iterator[Asked]:
    """Yield the lines of a CSV.

    Raises:
        ApplicationFileError: There is no such file, its titles are not the contract's, or a line has too many cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restkey="", restval="", strict=True)
            fault = _fault_of_titles(rows.fieldnames or ())
            if fault:
                raise ApplicationFileError(f"{path.name}: the first line has {fault}")
            for row in rows:
                if "" in row:
                    raise ApplicationFileError(f"{path.name}, line {rows.line_num}: more cells than titles")
                yield _asked(
                    rows.line_num, {name: " ".join(row[name].split()) for name in LOAN_REQUEST if row.get(name)}
                )
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ApplicationFileError(f"{path.name}: {exc}") from exc


def _fault_of_titles(titles: Sequence[str]) -> str:
    missing = [name for name in REQUIRED if name not in titles]
    unknown = [title for title in titles if title not in LOAN_REQUEST]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if missing:
        return f"no {', '.join(missing)}"
    if unknown:
        return f"{', '.join(map(repr, unknown))}, no known field"
    return f"{', '.join(twice)} twice" if twice else ""


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield line and record of each line of a file; None for one that decided nothing: an error or a repetition.

    Raises:
        ApplicationFileError: There is no such file, or a line is no JSON object, or an object repeats a name.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    record = json.loads(line, object_pairs_hook=unique_names)
                except (ValueError, RecursionError) as exc:
                    raise ApplicationFileError(f"{path.name}, line {number} is no decision record: {exc}") from exc
                if not isinstance(record, dict):
                    raise ApplicationFileError(f"{path.name}, line {number} is no decision record")
                yield number, None if _is_error(record) or _is_repetition(record) else record
    except (OSError, UnicodeDecodeError) as exc:
        raise ApplicationFileError(f"{path.name}: {exc}") from exc


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object of JSON.

    Raises:
        ValueError: A name is repeated. Parsers differ on which of the two counts.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object repeats a name")
    return members


def _is_error(record: Mapping[str, Any]) -> bool:
    status = record.get("status")
    return type(status) is int and status >= FIRST_ERROR and "approved" not in record


def _is_repetition(record: Mapping[str, Any]) -> bool:
    """Whether it names the first request, and has, as null, what only that one's record holds."""
    if record.get("service") == "check-eligibility" or any(record.get(name, "") is not None for name in OF_THE_FIRST):
        return False
    first = record.get("first_request_id")
    return isinstance(first, str) and first != ""


def read_applications(path: Path) -> Iterator[LoanApplication]:
    """Yield the applications of a file, of either form.

    Raises:
        ApplicationFileError: A line is out of the contract's bounds.
    """
    if path.suffix == ".csv":
        lines = read_csv(path)
    else:
        lines = (_asked(number, _texts(record)) for number, record in read_records(path) if record is not None)
    for asked in lines:
        if asked.application is None:
            raise ApplicationFileError(f"{path.name}, line {asked.line}: {asked.fault}")
        yield asked.application


def _asked(line: int, values: Mapping[str, str]) -> Asked:
    try:
        numbers = {name: Decimal(text) if NUMBER(text) else text for name, text in values.items()}
        return Asked(line, values, loan_application(numbers))
    except InvalidRequestError as exc:
        return Asked(line, values, None, "; ".join(f"{error.pointer[1:]} {error.detail}" for error in exc.errors))


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(record[name]) for name in LOAN_REQUEST if record.get(name) is not None}
