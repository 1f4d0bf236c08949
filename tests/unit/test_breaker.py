import pytest

from lending.adapters.breaker import Breaker
from testkit.clock import WoundClock


@pytest.fixture(autouse=True, params=[False, True], ids=["running", "frozen"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WoundClock:
    """In an environment that runs, and in one that is frozen between its requests."""
    return WoundClock(monkeypatch, frozen=request.param)


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(open_seconds=5)


@pytest.fixture
def open_breaker(breaker: Breaker) -> Breaker:
    for _ in range(3):
        breaker.failed()
    return breaker


def test_it_begins_closed(breaker: Breaker) -> None:
    assert breaker.lets_through()
    assert breaker.failures == 0


def test_two_failures_leave_it_closed(breaker: Breaker) -> None:
    breaker.failed()
    breaker.failed()

    assert [breaker.lets_through() for _ in range(3)] == [True, True, True]


def test_the_third_failure_in_a_row_opens_it(breaker: Breaker) -> None:
    breaker.failed()
    breaker.failed()
    breaker.failed()

    assert not breaker.lets_through()


def test_a_success_in_between_restarts_the_count(breaker: Breaker) -> None:
    breaker.failed()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.failed()

    assert breaker.lets_through()
    assert breaker.failures == 2


@pytest.mark.parametrize(("seconds", "through"), [(0, False), (4.9, False), (5, True), (3600, True)])
def test_it_stays_open_for_five_seconds(
    open_breaker: Breaker, clock: WoundClock, seconds: float, *, through: bool
) -> None:
    clock.pass_by(seconds)

    assert open_breaker.lets_through() == through


def test_one_request_probes_and_the_others_wait_for_the_next_five_seconds(
    open_breaker: Breaker, clock: WoundClock
) -> None:
    """Also when the probe never reports back, as when its function was stopped."""
    clock.pass_by(5)
    first_five = [open_breaker.lets_through() for _ in range(3)]
    clock.pass_by(5)
    second_five = [open_breaker.lets_through() for _ in range(3)]

    assert first_five == [True, False, False]
    assert second_five == [True, False, False]


def test_a_failed_probe_keeps_it_open_for_another_five_seconds(open_breaker: Breaker, clock: WoundClock) -> None:
    clock.pass_by(5)
    open_breaker.lets_through()
    clock.pass_by(0.25)
    open_breaker.failed()

    clock.pass_by(4.9)
    too_early = open_breaker.lets_through()
    clock.pass_by(0.1)
    in_time = open_breaker.lets_through()

    assert (too_early, in_time) == (False, True)


def test_a_probe_that_succeeds_closes_it(open_breaker: Breaker, clock: WoundClock) -> None:
    clock.pass_by(5)
    open_breaker.lets_through()
    open_breaker.succeeded()

    assert [open_breaker.lets_through() for _ in range(3)] == [True, True, True]


def test_a_success_of_somebody_who_did_not_ask_closes_it_at_once(open_breaker: Breaker) -> None:
    """Writers try whatever the breaker says, and learn first that Redis is back."""
    open_breaker.succeeded()

    assert open_breaker.lets_through()
    assert open_breaker.failures == 0


def test_breakers_do_not_share_their_state(open_breaker: Breaker) -> None:
    assert Breaker(open_seconds=5).lets_through()
    assert not open_breaker.lets_through()
