"""One import, from the files to the COMMIT."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from importer import merging, report, staging
from importer.columns import CUSTOMERS, LOANS, Kind
from importer.errors import ImportFailedError
from importer.forms import GivenForms
from importer.reading.table import Reading, Table, open_table
from importer.rejects import RejectsFolder, rejects_in
from importer.totals import FileTotals


@contextmanager
def _no_progress(_path: Path) -> Iterator[Callable[[int], object]]:
    yield lambda _rows: None


@dataclass(frozen=True)
class Task:
    """What is to be imported, and how."""

    customers: Path | None
    loans: Path | None
    """Either may be absent."""
    rejects: Path
    """The folder for rows that are rejected."""
    today: date
    """Says which loans have ended."""
    reading: Reading = field(default_factory=Reading)
    forms: GivenForms = field(default_factory=GivenForms)
    accepts_rejects: bool = False
    """Whether what can be taken is imported where other rows cannot."""
    is_dry_run: bool = False
    progress: Callable[[Path], AbstractContextManager[Callable[[int], object]]] = _no_progress
    """Given a file, shows how many of its rows were looked at: each twice, for its form and to be taken."""


@dataclass(frozen=True)
class Outcome:
    """What an import did."""

    report: report.Report
    rejects: list[Path]
    """The files of rejected rows."""
    failure: str | None
    """Why nothing was imported; None where it was, and in a dry run that would have."""


def run(connection: "Connection[Cursor]", task: Task) -> Outcome:
    """Import the files; with rejected rows nothing, unless the task accepts them.

    Args:
        connection: From `only_importer`.
        task: What to import.
    Raises:
        ImportFailedError: Nothing was imported, and there is no report on it.
    """
    with rejects_in(task.rejects) as folder, connection.cursor() as cursor:
        # A row may have more faults than MySQL's default lets be listed.
        cursor.execute("SET @today = %s, group_concat_max_len = 1000000", (task.today,))
        staging.create_tables(cursor)
        merging.create_tables(cursor)
        files: dict[str, FileTotals] = {}
        notes: list[str] = []
        for path, kind in ((task.customers, CUSTOMERS), (task.loans, LOANS)):
            if path:
                files[kind.name] = _stage(cursor, path, kind, task, notes)
        books_before = report.before(cursor)
        merging.merge(connection)
        names = {"customers": str(task.customers), "loans": str(task.loans)}
        result = report.draw_up(cursor, files, books_before, notes, names)
        failure = _failure(result, task)
        # Before the COMMIT: whoever finds the import done finds the list complete.
        rejects = _written(connection, folder, result)
        if failure or task.is_dry_run:
            connection.rollback()
        else:
            merging.commit(connection)
    return Outcome(result, rejects, failure)


def _stage(cursor: Cursor, path: Path, kind: Kind, task: Task, notes: list[str]) -> FileTotals:
    with open_table(path, kind, task.reading) as table, task.progress(path) as advance:
        totals, losses = staging.stage(cursor, table, task.forms, today=task.today, advance=advance)
    notes += [f"{path}: {note}" for note in _notes(table, str(losses))]
    if totals.rows == 0:
        raise ImportFailedError(f"{path} has titles and no rows.")
    return totals


def _notes(table: Table, losses: str) -> list[str]:
    unused = [f"columns not used: {', '.join(table.unused)}"] if table.unused else []
    return [*table.notes, *unused, *losses.splitlines()]


def _failure(result: report.Report, task: Task) -> str | None:
    if result.rejected and not task.accepts_rejects:
        return (
            f"{result.rejected} rows cannot be taken. Mend them, or import the rest with ACCEPT_REJECTS=1 "
            "(--accept-rejects), which puts their customers on hold."
        )
    if not result.taken:
        return "Not one row can be taken."
    return None


def _written(connection: "Connection[Cursor]", folder: RejectsFolder, result: report.Report) -> list[Path]:
    for kind, part in ((CUSTOMERS, result.customers), (LOANS, result.loans)):
        if part.rejected.rows:
            folder.write(connection, kind)
    return folder.keep()
