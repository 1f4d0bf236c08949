"""A circuit breaker: what failed three times in a row is left alone for a while, then tried by one request."""

from lending import clock

FAILURES_TO_OPEN = 3


class Breaker:
    """Closed until `FAILURES_TO_OPEN` failures in a row; then one try is let through every `open_seconds`."""

    def __init__(self, open_seconds: float) -> None:
        self._open_seconds = open_seconds
        self.failures = 0
        """Failures since the last success."""
        self._tried_at = clock.LONG_AGO

    def lets_through(self) -> bool:
        """Return whether to try; while open, True once every `open_seconds`."""
        if self.failures < FAILURES_TO_OPEN:
            return True
        if clock.seconds_since(self._tried_at) < self._open_seconds:
            return False
        self._tried_at = clock.now()
        return True

    def failed(self) -> None:
        """Note a failure."""
        self.failures += 1
        self._tried_at = clock.now()

    def succeeded(self) -> None:
        """Note a success."""
        self.failures = 0
