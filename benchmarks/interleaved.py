"""Times subjects in one run. Every round calls each subject once, in a new order, so that all get the same noise."""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

BLOCKS = 10
"""A run has this many stretches. The spread of a ratio over them shows how far to trust it."""


class StrayAnswersError(Exception):
    """A subject did not do what the benchmark times."""


class Subject(NamedTuple):
    """Something to time, one call at a time."""

    call: Callable[[Any], Any]
    """The timed part; takes the result of `prepare`."""
    prepare: Callable[[], Any]
    """Not timed."""
    expected: Callable[[Any], bool]
    """Whether a call returned the right result. It is not timed, and the time of a wrong call does not count."""


class Ratio(NamedTuple):
    """One median divided by another."""

    value: float
    lowest: float
    """The same ratio in each stretch of the run."""
    highest: float


class Sample(NamedTuple):
    """The times of one subject in nanoseconds, one list per stretch of the run."""

    blocks: list[list[int]]
    strays: int = 0
    """Calls that did something else."""

    @property
    def median_us(self) -> float:
        """The median in microseconds."""
        return statistics.median(self._all()) / 1000

    @property
    def p99_us(self) -> float:
        """The 99th percentile in microseconds. With fewer than a hundred times it is about the longest."""
        return statistics.quantiles(self._all(), n=100, method="inclusive")[98] / 1000

    def ratio_to(self, floor: "Sample") -> Ratio:
        """Return this median over that of another subject of the same run."""
        pairs = [(mine, other) for mine, other in zip(self.blocks, floor.blocks, strict=True) if mine and other]
        ratios = [statistics.median(mine) / statistics.median(other) for mine, other in pairs]
        return Ratio(self.median_us / floor.median_us, min(ratios), max(ratios))

    def _all(self) -> list[int]:
        return [nanoseconds for block in self.blocks for nanoseconds in block]


def measure(subjects: Mapping[str, Subject], rounds: int, *, warm_up_rounds: int) -> dict[str, Sample]:
    """Time the subjects against each other.

    Raises:
        StrayAnswersError: One of them did the wrong thing in more than half of the rounds.
    """
    order = list(subjects)
    blocks: dict[str, list[list[int]]] = {name: [[] for _ in range(BLOCKS)] for name in order}
    strays: dict[str, list[object]] = {name: [] for name in order}
    for number in range(-warm_up_rounds, rounds):
        random.shuffle(order)
        for name in order:
            nanoseconds, result = timed(subjects[name])
            if not subjects[name].expected(result):
                strays[name].append(result)
            elif number >= 0:
                blocks[name][number * BLOCKS // rounds].append(nanoseconds)
    for name, results in strays.items():
        if len(results) > (warm_up_rounds + rounds) / 2:
            raise StrayAnswersError(f"{name}: {len(results)} unexpected answers, the last was {results[-1]!r}")
    return {name: Sample(blocks[name], len(strays[name])) for name in subjects}


def left_out(samples: Mapping[str, Sample]) -> str:
    """Return a sentence about the calls that did the wrong thing."""
    return f"{sum(sample.strays for sample in samples.values())} calls were answered otherwise and left out."


def timed(subject: Subject) -> tuple[int, Any]:
    """Return how many nanoseconds one call took, and what it returned."""
    given = subject.prepare()
    started_at = time.perf_counter_ns()
    result = subject.call(given)
    return time.perf_counter_ns() - started_at, result
