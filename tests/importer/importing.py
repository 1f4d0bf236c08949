"""Arranges imports: rows as a lender's export has them, the files they go into, and what the program said."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest

from importer import export
from importer.__main__ import main
from lending import wiring
from testkit.database import Database

TODAY = "2026-11-23"

Row = dict[str, object]


def a_customer(customer_id: int, **fields: object) -> Row:
    """Return a row of customers.csv without the optional column, but for what `fields` say."""
    return {
        "customer_id": customer_id,
        "first_name": "Asha",
        "last_name": "Rao",
        "age": 41,
        "phone_number": f"555{customer_id:07}",
        "monthly_salary": Decimal(50000),
        "approved_limit": Decimal(1800000),
    } | fields


def a_loan(customer_id: object, loan_id: object, **fields: object) -> Row:
    """Return a row of loans.csv without the optional columns, but for what `fields` say."""
    return {
        "customer_id": customer_id,
        "external_loan_id": loan_id,
        "loan_amount": Decimal(100000),
        "tenure": 12,
        "interest_rate": Decimal(12),
        "monthly_repayment": Decimal("8884.88"),
        "emis_paid_on_time": 12,
        "start_date": date(2024, 1, 31),
        "end_date": date(2025, 1, 31),
    } | fields


def as_csv(rows: Iterable[Mapping[str, object]]) -> str:
    """Return the rows, all of the same columns, as the text of a file."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def counts(database: Database) -> tuple[int, int]:
    """Return the numbers of customers and loans in the database."""
    ((customers,),) = database.execute("SELECT COUNT(*) FROM customers")
    ((loans,),) = database.execute("SELECT COUNT(*) FROM loans")
    return customers, loans


@dataclass(frozen=True)
class Outcome:
    """How an import ended."""

    status: int
    out: str
    err: str
    rejected: list[Path]
    """The files of rejected rows."""

    @property
    def faults(self) -> list[tuple[str, int, list[str]]]:
        """Return the table, line and reasons of each rejected row."""
        rows = ((path.stem.partition("-")[0], row) for path in self.rejected for row in rows_of(path))
        return [
            (
                name,
                int(row["rejected_line"]),
                [fault.partition(":")[0] for fault in row["rejected_because"].split("; ")],
            )
            for name, row in rows
        ]

    def counts(self, name: str) -> list[int]:
        """Return how many rows were added, changed and unchanged; name is customers or loans."""
        lines = self.out.splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith(f"{name} "))
        line = next(line for line in lines[start:] if " added, " in line)
        return [int(part.split()[0].replace(",", "")) for part in line.split(", ")]

    def sums(self, name: str, label: str) -> list[Decimal]:
        """Return rows, amount and, of loans, what runs of it, in one line of the report."""
        lines = self.out.splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith(f"{name} "))
        line = next(line for line in lines[start:] if line.startswith(f"  {label} "))
        return [Decimal(cell.replace(",", "")) for cell in line.removeprefix(f"  {label}").partition("and")[0].split()]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of rejected rows."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


class Importer:
    """Runs the program in this process, in a folder of the test's own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], login: Mapping[str, str]) -> None:
        self.folder = folder
        self.customers = folder / "customers.csv"
        self.loans = folder / "loans.csv"
        self.rejects = folder / "rejects"
        self._capsys = capsys
        self._login = login

    def __call__(
        self, customers: list[Row] | None = None, loans: list[Row] | None = None, *options: str, today: str = TODAY
    ) -> Outcome:
        """Import these rows."""
        if customers:
            self.customers.write_text(as_csv(customers))
        if loans:
            self.loans.write_text(as_csv(loans))
        return self.run(self.customers if customers else None, self.loans if loans else None, *options, today=today)

    def run(self, customers: Path | None, loans: Path | None, *options: str, today: str = TODAY) -> Outcome:
        """Import these files."""
        files = ["--customers", str(customers or ""), "--loans", str(loans or ""), "--rejects", str(self.rejects)]
        try:
            with patch.dict(os.environ, self._login):
                wiring.close()  # beside it, the functions may have been at work as another account
                main([*files, "--today", today, *options])
            status = 0
        except SystemExit as exc:
            status = int(exc.code or 0)
        finally:
            wiring.close()  # as the end of its process would
        printed = self._capsys.readouterr()
        listed = [line.rpartition(": ")[2] for line in printed.out.splitlines() if line.startswith("Rejected rows, ")]
        return Outcome(status, printed.out, printed.err, list(map(Path, listed)))

    def export(self, path: Path, *, since: str) -> None:
        """Write the loans made here to a new file."""
        path.unlink(missing_ok=True)
        export.main([str(path), "--since", since])
