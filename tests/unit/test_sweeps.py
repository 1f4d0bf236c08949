"""How long a run of the refresh goes on, and what it waits for."""

import time

import pytest

from lending import wiring
from testkit.service import wired

STORES = {"DB_HOST": "127.0.0.1", "DB_NAME": "none", "DB_USER": "none"}


@pytest.mark.parametrize(
    ("every", "most_seconds", "slept"),
    [
        (1, 120, [1]),
        (45, 45, [45]),
        (45, 44.9, []),  # the function would end in the middle of the pause, and report nothing
        (60, 120, []),
    ],
)
def test_a_pause_that_outlasts_the_run_is_not_made(
    every: int, most_seconds: float, slept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with wired(STORES | {"SWEEP_SECONDS": str(every)}, monkeypatch):
        goes_on = wiring.pause_between_sweeps(most_seconds)

    assert pauses == slept
    assert goes_on == bool(slept)
