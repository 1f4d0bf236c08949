"""`python -m importer --customers customers.csv --loans loans.csv` imports into the database that DB_* names."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from importer.connection import only_importer
from importer.errors import ImportFailedError, ScoresNotDroppedError, UnknownOutcomeError
from importer.importing import Files, import_files
from importer.scores import drop_void_scores
from lending import wiring
from lending.config import InvalidSettingError

DEFAULT_REJECTS = Path(".local/rejects.csv")

NOT_IMPORTED, OLD_SCORES_CACHED, INTERRUPTED = 1, 3, 130
"""What the program exits with."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Import what the command line names."""
    files, rejects, given_today = _parse(arguments)
    try:
        settings = wiring.settings()
        today = given_today or wiring.today()
        with only_importer(settings) as connection:
            report = import_files(connection, files, rejects=rejects, today=today)
    except (ImportFailedError, InvalidSettingError) as exc:
        _fail(f"{str(exc).rstrip('.')}. Nothing was imported.", NOT_IMPORTED)
    except UnknownOutcomeError as exc:
        _fail(str(exc), NOT_IMPORTED)
    except KeyboardInterrupt:
        _fail("Interrupted. Nothing was imported.", INTERRUPTED)
    print(report)
    if report.rejects:
        print(f"Every rejected row is listed in {rejects}.")
    try:
        drop_void_scores(today)
    except ScoresNotDroppedError as exc:
        _fail(str(exc), OLD_SCORES_CACHED)
    print("Cached scores from before are dropped.")


def _parse(arguments: Sequence[str] | None) -> tuple[Files, Path, date | None]:
    parser = argparse.ArgumentParser(
        prog="python -m importer",
        description="Import customers and loans into the database that DB_* names: new rows are added, changed ones "
        "updated, all or nothing. Rows that cannot be imported are left out and listed.",
    )
    parser.add_argument("--customers", type=_path, metavar="FILE", help="CSV file of customers")
    parser.add_argument("--loans", type=_path, metavar="FILE", help="CSV file of loans")
    parser.add_argument(
        "--rejects",
        type=Path,
        metavar="FILE",
        default=DEFAULT_REJECTS,
        help="where to list them (default: %(default)s)",
    )
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        metavar="DATE",
        help="a loan without a status is PAID when it ended before this day (default: today in BUSINESS_TIMEZONE)",
    )
    given = parser.parse_args(arguments)
    if not (given.customers or given.loans):
        parser.error("nothing to import: name a file of customers, of loans, or both")
    return Files(given.customers, given.loans), given.rejects, given.today


def _path(text: str) -> Path | None:
    """Return the path; None for an empty one, as `make import` passes what it was not given."""
    return Path(text) if text else None


def _fail(message: str, status: int) -> NoReturn:
    print(f"import: {message}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
