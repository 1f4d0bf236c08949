"""Twenty processes at once: a salary is spent once, and a key lends once."""

import os
from collections.abc import Iterator

import pytest

from local.servers.server import Server
from testkit.database import Database
from testkit.environments import Environment, environments
from tests.money import double_spend, duplicates

PARALLEL = 20
ROUNDS = int(os.environ.get("MONEY_ROUNDS", "15"))
KEYS = int(os.environ.get("MONEY_KEYS", "15"))
CONTROL_ROUNDS = 10


@pytest.fixture
def parallel(database: Database, redis_server: Server) -> Iterator[list[Environment]]:
    """The processes, each with connections of its own to the same stores."""
    with environments(PARALLEL, database.environment | redis_server.environment) as started:
        yield started


def test_no_salary_is_spent_twice(database: Database, parallel: list[Environment]) -> None:
    report = double_spend.run(database.connection, parallel, ROUNDS)

    print(report)
    assert report.overspent == []
    assert report.untrue == []


def test_the_harness_finds_double_spending_once_the_lock_is_gone(
    database: Database, parallel: list[Environment]
) -> None:
    for environment in parallel:
        environment.begin(double_spend.drop_the_lock)
        environment.result()

    report = double_spend.run(database.connection, parallel, CONTROL_ROUNDS)

    print("without the lock:", report)
    assert report.overspent


def test_a_key_lends_once_and_answers_all_alike(database: Database, parallel: list[Environment]) -> None:
    report = duplicates.run(database.connection, parallel, KEYS)

    print(report)
    assert report.lent_again == []
    assert report.unequal == []
