"""Applications from a file: CSV with the contract's fields as titles, or decision records as lines of JSON."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from lending.domain.loans import LoanApplication
from lending.request_errors import InvalidRequestError
from lending.requests import LOAN_REQUEST, loan_application

NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
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
        ApplicationFileError: There is no such file, or a title is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restkey="", restval="")
            missing = [name for name in REQUIRED if name not in (rows.fieldnames or ())]
            if missing:
                raise ApplicationFileError(f"{path.name}: the first line has no {', '.join(missing)}")
            for row in rows:
                yield _asked(
                    rows.line_num, {name: " ".join(row[name].split()) for name in LOAN_REQUEST if row.get(name)}
                )
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ApplicationFileError(f"{path.name}: {exc}") from exc


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield line and decision of each line of a file; None for one that decided nothing: an error or a repetition.

    Raises:
        ApplicationFileError: There is no such file, or a line is not JSON.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    record = json.loads(line)
                    decided = record.get("figures") is not None and record["first_request_id"] is None
                except (ValueError, AttributeError, KeyError, RecursionError) as exc:
                    raise ApplicationFileError(f"{path.name}, line {number} is no decision record") from exc
                yield number, record if decided else None
    except (OSError, UnicodeDecodeError) as exc:
        raise ApplicationFileError(f"{path.name}: {exc}") from exc


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
