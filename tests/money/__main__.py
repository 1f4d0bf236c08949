"""Runs the harnesses at any length, on private stores: `python -m tests.money --rounds 1000 --keys 1000`."""

import argparse
import random
import sys

from testkit.database import connect
from testkit.environments import environments
from tests.money import double_spend, duplicates, histories
from tests.money.stores import private_stores

PARALLEL = 20


def main() -> None:
    """Run the chosen harnesses, print their reports, and exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.money", description="Attack create-loan.")
    parser.add_argument("--rounds", type=int, default=100, help=f"of {PARALLEL} calls at once that spend one salary")
    parser.add_argument("--keys", type=int, default=100, help=f"each posted by {PARALLEL} processes at once")
    parser.add_argument("--histories", type=int, default=100, help="of clients who borrow while everything fails")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the histories")
    asked = parser.parse_args()

    wrong = race(asked.rounds, asked.keys) + break_everything(asked.histories, asked.seed)
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)


def race(rounds: int, keys: int) -> list[str]:
    """Run the races of processes; return what went wrong."""
    with (
        private_stores() as (_, stores),
        connect(stores) as connection,
        environments(PARALLEL, stores) as parallel,
    ):
        spent = double_spend.run(connection, parallel, rounds)
        print(spent, flush=True)
        posted = duplicates.run(connection, parallel, keys)
        print(posted, flush=True)
    return [
        f"customer {customer_id}: {what}"
        for what, customers in {
            "overspent": spent.overspent,
            "answered untruly": spent.untrue,
            "not lent to exactly once": posted.lent_again,
            "not answered alike": posted.unequal,
        }.items()
        for customer_id in customers
    ]


def break_everything(number: int, seed: int) -> list[str]:
    """Run the histories; return what went wrong."""
    with private_stores() as (mysql, stores):
        report = histories.run(mysql, stores, number, seed)
    print(f"seed {seed}: {report}", flush=True)
    return report.violations


if __name__ == "__main__":
    main()
