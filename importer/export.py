"""`python -m importer.export FILE --since DATE` writes the loans made here, for the lender's system to book.

In the columns that the importer reads: once that system has filled in external_loan_id, the file can be imported.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pymysql
from pymysql.cursors import SSCursor

from importer.columns import LOANS
from lending import wiring
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import connect, why_none
from lending.config import InvalidSettingError

MADE_HERE = """
SELECT customer_id, external_loan_id, loan_id, loan_amount, tenure, interest_rate, monthly_repayment,
       emis_paid_on_time, start_date, end_date, status
  FROM loans WHERE request_id IS NOT NULL AND start_date >= %s ORDER BY loan_id
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Export what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m importer.export", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument("--since", type=date.fromisoformat, metavar="DATE", default=date.min, help="of their start")
    given = parser.parse_args(arguments)
    try:
        count = export(given.file, given.since)
    except InvalidSettingError as exc:
        sys.exit(f"export: {exc}")
    except OSError as exc:
        sys.exit(f"export: cannot write {given.file}: {exc.strerror}")
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        sys.exit(f"export: the database failed: {why_none(exc)}")
    print(f"{count} loans made here are in {given.file}")


def export(path: Path, since: date) -> int:
    """Write the loans made here since a day; return how many."""
    with (
        connect(wiring.settings()) as connection,
        connection.cursor(SSCursor) as cursor,
        path.open("x", newline="", encoding="utf-8") as file,
    ):
        cursor.execute(MADE_HERE, (since,))
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(column.name for column in LOANS.columns)
        count = 0
        for row in cursor:
            rows.writerow(row)
            count += 1
    return count


if __name__ == "__main__":
    main()
