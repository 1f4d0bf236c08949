"""The command line of the importer, and the same options by name for the function that imports in a stack."""

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from importer.columns import CUSTOMERS, LOANS
from importer.forms import GivenForms
from importer.importing import Task
from importer.reading.table import Reading

DEFAULT_REJECTS = Path(".local/rejects")
COLUMNS = {column.name for kind in (CUSTOMERS, LOANS) for column in kind.columns}


def parser(usage_error: Callable[[str], NoReturn] | None = None) -> argparse.ArgumentParser:
    """Return the parser of all options; without `usage_error` a mistake ends the program."""
    of_options = _Parser(
        prog="python -m importer",
        description="Import customers and loans into the database that DB_* names: new rows are added, changed ones "
        "updated, all or nothing.",
    )
    of_options.usage_error = usage_error
    add = of_options.add_argument
    add("--customers", type=_path, metavar="FILE", help="customers, as CSV of any sort or xlsx")
    add("--loans", type=_path, metavar="FILE", help="loans, likewise")
    add(
        "--accept-rejects",
        action="store_true",
        help="import the rest where rows cannot be taken; holds their customers",
    )
    add("--dry-run", action="store_true", help="report what would be done, and change nothing")
    add("--rejects", type=Path, metavar="FOLDER", default=DEFAULT_REJECTS, help="where they go (default: %(default)s)")
    add("--columns", type=_pairs, default={}, metavar="TITLE=COLUMN,...", help="what titles mean; TITLE= is ignored")
    add("--customers-order", type=_names, default=[], metavar="COLUMN,...", help="columns of a file without titles")
    add("--loans-order", type=_names, default=[], metavar="COLUMN,...", help="likewise")
    add("--date-format", type=_text, metavar="FORM", help="as DD/MM/YYYY or %%d/%%m/%%Y; found out where it can be")
    add("--decimal-mark", type=_mark, metavar="MARK", help="a point or a comma; found out where it can be")
    add(
        "--statuses",
        type=_pairs,
        default={},
        metavar="WORD=STATUS,...",
        help="APPROVED, PENDING or PAID by other names",
    )
    add("--encoding", type=_text, metavar="NAME", help="of CSV files; found out where it can be")
    add(
        "--today",
        type=date.fromisoformat,
        metavar="DATE",
        help="a loan that ended before this day no longer runs (default: today in BUSINESS_TIMEZONE)",
    )
    return of_options


def parse(arguments: Sequence[str] | None, today: Callable[[], date], of_options: argparse.ArgumentParser) -> Task:
    """Return the task that the arguments describe.

    Args:
        arguments: Those of the command line; None for the program's own.
        today: The day, where they do not say.
        of_options: From `parser`.
    """
    given = of_options.parse_args(arguments)
    if not (given.customers or given.loans):
        of_options.error("nothing to import: name a file of customers, of loans, or both")
    unknown = ({*given.columns.values(), *given.customers_order, *given.loans_order} - COLUMNS) - {""}
    if unknown:
        of_options.error(f"there is no column {', '.join(sorted(unknown))}; there are {', '.join(sorted(COLUMNS))}")
    return Task(
        customers=given.customers,
        loans=given.loans,
        rejects=given.rejects,
        today=given.today or today(),
        reading=Reading(
            encoding=given.encoding,
            titles=given.columns,
            orders={CUSTOMERS.name: given.customers_order, LOANS.name: given.loans_order},
        ),
        forms=GivenForms(date_format=given.date_format, decimal_mark=given.decimal_mark, statuses=given.statuses),
        accepts_rejects=given.accept_rejects,
        is_dry_run=given.dry_run,
    )


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """Return options by name, as an options.json has them, as the arguments that mean the same.

    {"date_format": "DD/MM/YYYY", "accept_rejects": true, "columns": {"Approved on": "start_date"}}
    """
    arguments: list[str] = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(option)
        elif value is not False:
            text = value
            if isinstance(value, dict):
                text = ",".join(
                    '"{}={}"'.format(*(str(part).replace('"', '""') for part in pair)) for pair in value.items()
                )
            elif isinstance(value, list):
                text = ",".join(map(str, value))
            arguments.append(f"{option}={text}")
    return arguments


class _Parser(argparse.ArgumentParser):
    usage_error: Callable[[str], NoReturn] | None = None

    def error(self, message: str) -> NoReturn:
        if self.usage_error:
            self.usage_error(message)
        super().error(message)


def _path(text: str) -> Path | None:
    """Return the path; None for an empty one, as `make import` passes what it was not given."""
    return Path(text) if text else None


def _text(text: str) -> str | None:
    return text or None


def _mark(text: str) -> str | None:
    if text not in ("", ".", ","):
        raise argparse.ArgumentTypeError("it is . or ,")
    return text or None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in next(csv.reader([text], skipinitialspace=True), []):
        name, equals, value = part.rpartition("=")
        if not equals:
            raise argparse.ArgumentTypeError(f"{part!r} has no =")
        pairs[name.strip()] = value.strip()
    return pairs
