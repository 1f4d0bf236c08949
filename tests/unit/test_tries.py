"""How often and how long one request tries to lend: each rule a row of a table."""

from collections.abc import Sequence

import pytest

from lending.errors import (
    ConnectionLostError,
    ConnectionTimedOutError,
    CustomerNotFoundError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.patience import Patience
from lending.use_cases.tries import Tries

CONFLICT = TransactionConflictError()
LOST = ConnectionLostError()
TIMED_OUT = ConnectionTimedOutError()
AWAY = StoreUnavailableError()
BUSY = RequestInProgressError()
UNKNOWN_CUSTOMER = CustomerNotFoundError(1)
BUG = RuntimeError("bug")
UNKNOWN = OutcomeUnknownError()

PATIENCE = Patience()


class Pauses(list[float]):
    """The longest pauses that were asked for."""

    def __call__(self, most_seconds: float) -> None:
        self.append(most_seconds)


def tries(seconds_left: float = 10, *, keyed: bool = True) -> tuple[Tries, Pauses]:
    pauses = Pauses()
    return Tries(lambda: round(1000 * seconds_left), pauses, PATIENCE, keyed=keyed), pauses


@pytest.mark.parametrize(
    ("failures", "raised"),
    [
        ([CONFLICT] * 3, None),
        ([CONFLICT] * 4, CONFLICT),
        ([LOST], None),
        ([LOST] * 2, LOST),
        ([CONFLICT, LOST, CONFLICT, CONFLICT], None),
        ([LOST, *[CONFLICT] * 4], CONFLICT),
        ([TIMED_OUT], TIMED_OUT),
        ([AWAY], AWAY),
        ([BUSY], BUSY),
        ([UNKNOWN_CUSTOMER], UNKNOWN_CUSTOMER),
        ([BUG], BUG),
        ([UNKNOWN], None),
        ([UNKNOWN] * 20, None),
        ([UNKNOWN, *[CONFLICT, LOST, TIMED_OUT, AWAY, BUSY] * 5], None),
        ([UNKNOWN, UNKNOWN_CUSTOMER], UNKNOWN_CUSTOMER),
        ([UNKNOWN, BUG], BUG),
    ],
)
def test_a_failure_is_tried_again_while_it_may_help(failures: Sequence[Exception], raised: Exception | None) -> None:
    request, pauses = tries()
    for failure in failures[:-1]:
        request.failed(failure)

    if raised is None:
        request.failed(failures[-1])
    else:
        with pytest.raises(type(raised)) as caught:
            request.failed(failures[-1])
        assert caught.value is raised
    assert len(pauses) == len(failures) - (raised is not None)


def test_a_pause_is_longer_while_the_store_is_away_after_a_commit() -> None:
    request, pauses = tries()

    request.failed(CONFLICT)
    request.failed(UNKNOWN)
    request.looked()
    request.failed(LOST)

    assert pauses == [PATIENCE.pause_after_conflict, PATIENCE.pause_while_away, PATIENCE.pause_after_conflict]


@pytest.mark.parametrize("failure", [AWAY, BUSY, TIMED_OUT])
def test_the_doubt_ends_once_somebody_has_looked(failure: Exception) -> None:
    request, _ = tries()
    request.failed(UNKNOWN)
    assert request.in_doubt
    request.looked()

    assert not request.in_doubt
    with pytest.raises(type(failure)):
        request.failed(failure)


@pytest.mark.parametrize("seconds_left", [PATIENCE.time_to_begin, 10])
def test_with_time_left_a_transaction_may_begin(seconds_left: float) -> None:
    tries(seconds_left)[0].require_time_to_begin()


@pytest.mark.parametrize("seconds_left", [PATIENCE.time_to_begin - 0.001, 0, -1])
def test_without_time_no_transaction_begins(seconds_left: float) -> None:
    request, _ = tries(seconds_left)

    with pytest.raises(StoreUnavailableError, match="not enough time"):
        request.require_time_to_begin()


@pytest.mark.parametrize(("keyed", "advice"), [(True, "with its Idempotency-Key again"), (False, "may lend twice")])
def test_without_time_a_doubt_stays_one(advice: str, *, keyed: bool) -> None:
    """Only a request with a key may be told to come again."""
    request, _ = tries(seconds_left=2.9, keyed=keyed)
    request.failed(UNKNOWN)

    with pytest.raises(OutcomeUnknownError, match=advice):
        request.require_time_to_begin()


@pytest.mark.parametrize(("seconds_left", "enough"), [(2.0, True), (10, True), (1.999, False), (0, False)])
def test_a_commit_needs_two_seconds(seconds_left: float, *, enough: bool) -> None:
    request, _ = tries(seconds_left)

    if enough:
        request.require_time_to_commit()
    else:
        with pytest.raises(StoreUnavailableError, match="not enough time"):
            request.require_time_to_commit()
