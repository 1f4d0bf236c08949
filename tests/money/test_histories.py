"""Nothing is lost, invented or lent twice, whatever fails on the way."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers.server import Server
from tests.money import histories
from tests.money.faults import Event
from tests.money.stores import WITH_BINARY_LOG, migrated_mysql

HISTORIES = int(os.environ.get("MONEY_HISTORIES", "40"))


@pytest.fixture
def mysql(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to restart."""
    with migrated_mysql(tmp_path / "mysql", *WITH_BINARY_LOG) as server:
        yield server


def test_every_response_is_true_whatever_fails(mysql: Server, redis_server: Server) -> None:
    seed = random.randrange(2**32)

    report = histories.run(mysql, mysql.environment | redis_server.environment, HISTORIES, seed)

    print(f"seed {seed}\n{report}", *report.violations, sep="\n")
    assert report.violations == []
    assert report.tally.faults.keys() == set(Event)
