"""The promise of the cache holds in some random histories on real servers; `make histories N=10000` plays many."""

import os
import random

import pytest

from local.servers.redis_server import in_container
from tests.protocol.histories import run, servers

LANES = 2
HISTORIES = int(os.environ.get("PROTOCOL_HISTORIES", "20"))


def test_no_random_history_lets_an_older_score_be_seen(mysql_environment: dict[str, str]) -> None:
    if in_container():
        pytest.skip("a replica in a container does not reach a primary in another")
    seed = random.randrange(1_000_000)

    with servers(mysql_environment, HISTORIES, LANES) as both:
        tally = run(both, HISTORIES, seed, naive=False, lanes_at_once=LANES)

    assert tally.histories == HISTORIES
    assert tally.stale_checks.total() == 0, f"S1, seed {seed}: {tally.stale_checks}"
    assert tally.stale_entries.total() == 0, f"S2, seed {seed}: {tally.stale_entries}"
    assert tally.accused.total() == 0, f"S3, seed {seed}: {tally.accused}"
    assert tally.unforeseen.total() == 0, f"seed {seed}: {tally.unforeseen}"
