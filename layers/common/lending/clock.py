"""Time as it passes for the world, also while Lambda has the execution environment frozen."""

import math
import time
from typing import NamedTuple


class Moment(NamedTuple):
    """A moment by both clocks, in seconds."""

    monotonic: float
    wall: float


LONG_AGO = Moment(-math.inf, -math.inf)
"""When what never happened was last."""


def now() -> Moment:
    """Return this moment."""
    return Moment(time.monotonic(), time.time())


def seconds_since(moment: Moment) -> float:
    """Return how long ago a moment was.

    The larger of the two differences: in a frozen environment the monotonic clock stands still, and the wall clock can
    be set back.
    """
    return max(time.monotonic() - moment.monotonic, time.time() - moment.wall)
