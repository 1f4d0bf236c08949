"""`python -m local.sample_data FOLDER` writes the sample as customers.csv and loans.csv, ready for the importer."""

import argparse
import csv
from datetime import UTC, date, datetime
from pathlib import Path

from tqdm import tqdm

from local.sample_data.portfolio import SAMPLE_CUSTOMERS, sample_portfolio
from local.sample_data.records import Customer, Loan


def main() -> None:
    """Write both files into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.sample_data", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where customers.csv and loans.csv go")
    parser.add_argument("--customers", type=int, default=SAMPLE_CUSTOMERS, help="how many (default: %(default)s)")
    parser.add_argument(
        "--today", type=date.fromisoformat, default=datetime.now(UTC).date(), help="the day to make them for"
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.folder, arguments.today, arguments.customers)


def write_csv(folder: Path, today: date, customers: int) -> None:
    """Write the sample, one customer at a time."""
    with (
        (folder / "customers.csv").open("w", newline="", encoding="utf-8") as customers_file,
        (folder / "loans.csv").open("w", newline="", encoding="utf-8") as loans_file,
    ):
        customer_rows, loan_rows = (csv.writer(file, lineterminator="\n") for file in (customers_file, loans_file))
        customer_rows.writerow(Customer._fields)
        loan_rows.writerow(Loan._fields)
        for customer, loans in tqdm(sample_portfolio(today, customers), total=customers, unit="customer", disable=None):
            customer_rows.writerow(customer)
            loan_rows.writerows(loans)


if __name__ == "__main__":
    main()
