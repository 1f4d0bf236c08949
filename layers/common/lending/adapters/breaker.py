"""A circuit breaker: what failed three times in a row is left alone for a while, then tried by one request."""

import time

FAILURES_TO_OPEN = 3


class Breaker:
    """Closed until `FAILURES_TO_OPEN` failures in a row; then one try is let through every `open_seconds`."""

    def __init__(self, open_seconds: float) -> None:
        self._open_seconds = open_seconds
        self.failures = 0
        """Failures since the last success."""
        self._next_probe_at = 0.0

    def lets_through(self) -> bool:
        """Return whether to try; while open, True once every `open_seconds`."""
        if self.failures < FAILURES_TO_OPEN:
            return True
        now = time.monotonic()
        if now < self._next_probe_at:
            return False
        self._next_probe_at = now + self._open_seconds
        return True

    def failed(self) -> None:
        """Note a failure."""
        self.failures += 1
        self._next_probe_at = time.monotonic() + self._open_seconds

    def succeeded(self) -> None:
        """Note a success."""
        self.failures = 0
