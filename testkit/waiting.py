"""Waits for what others do."""

import time
from collections.abc import Callable


def eventually(happened: Callable[[], object], seconds: float, *, every: float = 0.02) -> bool:
    """Return whether it happened within the time; look each so many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
