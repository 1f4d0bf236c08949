"""One import, from the files to the COMMIT."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor
from tqdm import tqdm

from importer import merging, report, staging
from importer.csv_table import CsvTable
from importer.errors import BrokenFileError
from importer.portfolio import Customer, Loan
from importer.rejects import replacing, write_rejects
from importer.rows import parse_customer, parse_loan


class Files(NamedTuple):
    """What is imported; either may be absent."""

    customers: Path | None
    loans: Path | None


def import_files(connection: "Connection[Cursor]", files: Files, *, rejects: Path, today: date) -> report.Report:
    """Import the files and return what became of their rows.

    Args:
        connection: From `only_importer`.
        files: The CSV files.
        rejects: The file that the rejected rows are to be listed in.
        today: Says which loans without a status have ended.
    Raises:
        ImportFailedError: Nothing was imported.
    """
    with replacing(rejects) as rejects_file, connection.cursor() as cursor:
        staging.create_tables(cursor)
        if files.customers:
            with _table(files.customers, Customer._fields, optional=["current_debt"]) as table:
                staging.stage_customers(cursor, table, parse_customer)
        if files.loans:
            with _table(files.loans, Loan._fields, optional=["status"]) as table:
                staging.stage_loans(cursor, table, partial(parse_loan, today=today))
        print("Comparing with the database ...", file=sys.stderr)
        merging.merge(connection)
        result = report.count(cursor)
        # Before the COMMIT: whoever finds the import done finds the list complete.
        write_rejects(connection, rejects_file, {"customers": str(files.customers), "loans": str(files.loans)})
        merging.commit(connection)
    return result


@contextmanager
def _table(path: Path, columns: tuple[str, ...], *, optional: list[str]) -> Iterator[CsvTable]:
    """Open a CSV file and show on the terminal, if there is one, how far it is read."""
    try:
        file = path.open("rb")
    except OSError as exc:
        raise BrokenFileError(f"{path} cannot be read: {exc.strerror}.") from exc
    with file:
        size = os.fstat(file.fileno()).st_size or None  # a pipe does not know its own
        with tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=None) as bar:
            yield CsvTable(file, str(path), columns=columns, optional=optional, advance=bar.update)
