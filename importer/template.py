"""`python -m importer.template FOLDER` writes customers.csv and loans.csv with the titles and one example each."""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from importer.columns import CUSTOMERS, LOANS

EXAMPLES = {
    CUSTOMERS: ("1", "Asha", "Rao", "41", "+91 55500 00001", "50000.00", "1800000.00", "0.00"),
    LOANS: ("1", "LN0001", "", "100000.00", "12", "12.00", "8884.88", "10", "2026-01-31", "2027-01-31", "APPROVED"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both files into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m importer.template", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args(arguments).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, example in EXAMPLES.items():
            path = folder / f"{kind.name}.csv"
            with path.open("x", newline="", encoding="utf-8") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(column.name for column in kind.columns)
                rows.writerow(example)
            print(path)
    except OSError as exc:
        sys.exit(f"template: {exc}")


if __name__ == "__main__":
    main()
