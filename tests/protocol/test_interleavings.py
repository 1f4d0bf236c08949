"""The promise of the cache, in every order of events; `make interleavings` does the same with larger casts."""

from collections import Counter

import pytest

from tests.protocol.interleavings import (
    ALONE,
    NAIVE,
    OURS,
    TWO_AT_ONCE,
    Exploration,
    Fault,
    Faults,
    Protocol,
    Scene,
    explore,
    explore_all,
)


def test_no_order_of_events_and_no_two_faults_let_an_older_score_be_seen() -> None:
    result = explore_all(OURS, ["wr"], ALONE + TWO_AT_ONCE)

    assert result.schedules > 10_000
    assert not result.anomalies, result.first


@pytest.mark.parametrize("cast", ["wrr", "wwr", "wrf", "osr", "osf"])
def test_no_order_of_several_lets_an_older_score_be_seen(cast: str) -> None:
    result = explore_all(OURS, [cast], [()])

    assert result.schedules > 200
    assert not result.anomalies, result.first


@pytest.mark.parametrize("cast", ["os", "wf"])
def test_a_sweep_and_an_inspection_hold_under_every_fault(cast: str) -> None:
    result = explore_all(OURS, [cast], ALONE)

    assert result.schedules > 200
    assert not result.anomalies, result.first


def test_no_step_of_a_moving_slot_lets_an_older_score_be_seen() -> None:
    result = explore_all(OURS, ["wr", "os"], [(Fault.MOVE,)])

    assert result.schedules > 1_000_000
    assert not result.anomalies, result.first


def test_what_a_broken_off_move_brings_back_goes_with_the_sweep() -> None:
    result = explore_all(OURS, ["os"], [(Fault.MOVE, Fault.HALF_MOVED)])

    assert result.schedules > 1_000
    assert not result.anomalies, result.first


def test_a_replay_finishes_what_a_killed_writer_with_a_lost_marker_left() -> None:
    result = explore_all(OURS, ["wp"], TWO_AT_ONCE)

    assert result.schedules > 200
    assert not result.anomalies, result.first


def test_the_naive_protocol_fails_without_any_fault() -> None:
    """Otherwise the harness would see nothing in ours either."""
    for faults in ((), (Fault.MOVE,)):
        result = explore(Scene(NAIVE, "wr", faults, warm=False))

        assert set(result.anomalies) == {"S1", "S2"}


@pytest.mark.parametrize("protocol", [OURS, NAIVE])
@pytest.mark.parametrize("faults", [(), (Fault.KILL,)])
def test_states_that_are_recognised_change_no_count(protocol: Protocol, faults: Faults) -> None:
    scene = Scene(protocol, "wr", faults, warm=False)

    short = Exploration(scene).result()
    whole = Exploration(scene, remember=False).result()

    assert whole.schedules == short.schedules
    assert Counter(whole.anomalies) == Counter(short.anomalies)
