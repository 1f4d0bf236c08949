"""Where a request spends its time, by cProfile: shares, as profiling slows every call down."""

import cProfile
import pstats
from collections import defaultdict
from pathlib import Path

from benchmarks.interleaved import Subject
from benchmarks.results import Cell, Table

CALLS = 2000
PACKAGES = ("lending", "functions", "redis", "aws_lambda_powertools", "json", "logging")
WAITING = {"<method 'sendall' of '_socket.socket' objects>", "<method 'recv' of '_socket.socket' objects>"}
"""Where the system sends, and where it waits for Redis."""
SOCKETS, BUILT_IN, OTHERS = "sockets, Redis included", "built-in functions", "others"


def profile_of(name: str, subject: Subject) -> Table:
    """Return how the time of a request is shared by the packages whose functions it runs in."""
    prepared = [subject.prepare() for _ in range(CALLS)]
    profiler = cProfile.Profile()
    profiler.enable()
    for given in prepared:
        subject.call(given)
    profiler.disable()
    calls: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for (file, _, function), (_, count, own, *_) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        owner = _owner(file, function)
        calls[owner] += count
        seconds[owner] += own
    total = sum(seconds.values())
    dearest = sorted(seconds, key=lambda owner: -seconds[owner])
    rows: list[list[Cell]] = [[owner, calls[owner] / CALLS, 100 * seconds[owner] / total] for owner in dearest]
    return Table(
        f"Where a {name} spends its time",
        ["", "calls", "% of its time"],
        rows,
        f"{CALLS} calls under cProfile, by the package that a function belongs to, its own time alone.",
    )


def _owner(file: str, function: str) -> str:
    if file == "~":
        return SOCKETS if function in WAITING else BUILT_IN
    parts = Path(file).parts
    return next((package for package in PACKAGES if package in parts), OTHERS)
