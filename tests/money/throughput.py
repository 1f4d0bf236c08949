"""Measures how many loans per second several processes make: `python -m tests.money.throughput`.

Each process lends to its own customers. It also measures how many bare commits per second the same server takes from as
many processes. That is the upper limit.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from testkit.database import connect
from testkit.environments import Environment, create_loan, environments
from tests.money.borrowers import APPLICATION, add_borrowers
from tests.money.duplicates import SALARY_FOR_MANY
from tests.money.stores import private_stores

PROCESSES = (1, 2, 4, 8)
SECONDS = 5.0

CUSTOMERS_EACH = 1000
"""Enough customers that none has a long history by the end."""

FIRST_CUSTOMER = 4_000_001
BODY = APPLICATION | {"loan_amount": 1000}


def main() -> None:
    """Measure and print."""
    print("processes  loans/s  bare commits/s")
    for processes in PROCESSES:
        with private_stores() as (_, stores), environments(processes, stores) as started:
            loans = loans_per_second(stores, started)
            commits = commits_per_second(stores, started)
        print(f"{processes:9}  {loans:7.0f}  {commits:14.0f}", flush=True)


def loans_per_second(stores: Mapping[str, str], started: Sequence[Environment]) -> float:
    """Measure create-loan from all environments at once."""
    customers = range(FIRST_CUSTOMER, FIRST_CUSTOMER + CUSTOMERS_EACH * len(started))
    with connect(stores) as connection:
        add_borrowers(connection, customers, SALARY_FOR_MANY)
    for number, environment in enumerate(started):
        environment.begin(lend_for, SECONDS, customers[number :: len(started)])
    return _sum_of_results(started) / SECONDS


def commits_per_second(stores: Mapping[str, str], started: Sequence[Environment]) -> float:
    """Measure the shortest durable transaction from all environments at once."""
    with connect(stores) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare_commits (id BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB")
    for environment in started:
        environment.begin(commit_for, SECONDS, dict(stores))
    return _sum_of_results(started) / SECONDS


def lend_for(seconds: float, customers: Iterable[int]) -> int:
    """Lend to these customers in turn, and return the number of loans. An environment calls this."""
    deadline = time.monotonic() + seconds
    loans = 0
    for customer_id in cycle(customers):
        if time.monotonic() >= deadline:
            break
        loans += create_loan({"customer_id": customer_id} | BODY, key=None).status == 201
    return loans


def commit_for(seconds: float, stores: Mapping[str, str]) -> int:
    """Insert rows with only an id, and return their number. An environment calls this."""
    deadline = time.monotonic() + seconds
    commits = 0
    with connect(stores) as connection, connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("INSERT INTO bare_commits () VALUES ()")
            commits += 1
    return commits


def _sum_of_results(started: Sequence[Environment]) -> int:
    return sum(environment.result() for environment in started)


if __name__ == "__main__":
    main()
