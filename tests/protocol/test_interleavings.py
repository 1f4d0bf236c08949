"""The promise of the cache, in every order of events; PROTOCOL_CASTS="wrr wwr wrf" explores the larger casts whole."""

import os

import pytest

from tests.protocol.interleavings import NAIVE, OURS, Result, explore, explore_all

CASTS = os.environ.get("PROTOCOL_CASTS", "wr").split()


def test_no_order_of_events_and_no_single_fault_lets_an_older_score_be_seen() -> None:
    result = explore_all(OURS, CASTS)

    assert result.schedules > 4_000
    assert not result.anomalies, result.first


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("cast", ["wrr", "wwr", "wf"])
def test_no_order_of_several_lets_an_older_score_be_seen(cast: str, *, warm: bool) -> None:
    result = Result()

    explore(OURS, cast, None, warm=warm, result=result)

    assert result.schedules > 20
    assert not result.anomalies, result.first


def test_the_naive_protocol_fails_without_any_fault() -> None:
    """If the harness found nothing here, it would find nothing in our protocol either."""
    result = Result()

    explore(NAIVE, "wr", None, warm=False, result=result)

    assert set(result.anomalies) == {"S1", "S2"}
