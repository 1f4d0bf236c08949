"""Clocks that a test winds: both, or the wall clock alone, as in an environment that Lambda has frozen."""

import time
from types import SimpleNamespace

import pytest

from lending import clock


class WoundClock:
    """Stands where `lending.clock` reads the time: the real time, and what has passed by this clock beside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, frozen: bool) -> None:
        self._frozen = frozen
        self._ahead_seconds = 0.0
        monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=self._monotonic, time=self._wall))

    def pass_by(self, seconds: float) -> None:
        """Let time pass. Where the environment is frozen meanwhile, the monotonic clock does not notice."""
        self._ahead_seconds += seconds

    def _monotonic(self) -> float:
        return time.monotonic() + (0 if self._frozen else self._ahead_seconds)

    def _wall(self) -> float:
        return time.time() + self._ahead_seconds
