"""Imports as many customers as a large lender has, and measures the import."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.memory import run_watched
from benchmarks.results import Table
from benchmarks.stores import Stores


def import_portfolio(stores: Stores, customers: int) -> Table:
    """Generate a sample portfolio of this size and import it; return what the import cost."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        generate = [sys.executable, "-m", "local.sample_data", str(folder), "--customers", str(customers)]
        run_watched(generate, os.environ)
        files = ["--customers", str(folder / "customers.csv"), "--loans", str(folder / "loans.csv")]
        rejects = ["--rejects", str(folder / "rejects")]
        run = run_watched([sys.executable, "-m", "importer", *files, *rejects], os.environ)
    ((customer_rows, loan_rows),) = stores.database.execute(
        "SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM loans)"
    )
    # The optimizer has no statistics of tables that were just filled, and would guess.
    stores.database.execute("ANALYZE TABLE customers, loans")
    rows_per_second = (customer_rows + loan_rows) / run.seconds
    return Table(
        "Import from CSV into an empty database",
        ["customers", "loans", "seconds", "rows/s", "peak MiB of the importer"],
        [[customer_rows, loan_rows, run.seconds, rows_per_second, run.peak_mib]],
        "The whole command: parsed, checked, compared, committed, and the outbox swept.",
    )
