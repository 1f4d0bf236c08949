"""Times subjects in one run. Every round calls each subject in turn, in a new order, so that all get the same noise."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
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


class Spent(NamedTuple):
    """What one call took, in nanoseconds."""

    clock: int
    processor: int
    """Of this thread."""


class Ratio(NamedTuple):
    """One median divided by another."""

    value: float
    lowest: float
    """The same ratio in each stretch of the run."""
    highest: float


class Sample(NamedTuple):
    """The times of one subject in nanoseconds, one list per stretch of the run."""

    blocks: Sequence[list[int]]
    strays: int = 0
    """Calls that did something else."""
    processor: Sequence[list[int]] = ()
    """Processor time of this thread, where it was measured: waiting and other programs are not in it."""

    @property
    def median_us(self) -> float:
        """The median in microseconds."""
        return statistics.median(self._all()) / 1000

    @property
    def processor_us(self) -> float:
        """The median of the processor time in microseconds."""
        return Sample(self.processor).median_us

    @property
    def p99_us(self) -> float:
        """The 99th percentile in microseconds. With fewer than a hundred times it is about the longest."""
        return statistics.quantiles(self._all(), n=100, method="inclusive")[98] / 1000

    def ratio_to(self, floor: "Sample") -> Ratio:
        """Return this median over that of another subject of the same run."""
        pairs = [(mine, other) for mine, other in zip(self.blocks, floor.blocks, strict=True) if mine and other]
        ratios = [statistics.median(mine) / statistics.median(other) for mine, other in pairs]
        return Ratio(self.median_us / floor.median_us, min(ratios), max(ratios))

    def processor_ratio_to(self, floor: "Sample") -> Ratio:
        """Return the same of the processor time."""
        return Sample(self.processor).ratio_to(Sample(floor.processor))

    def _all(self) -> list[int]:
        return [nanoseconds for block in self.blocks for nanoseconds in block]


def measure(
    subjects: Mapping[str, Subject], rounds: int, *, warm_up_rounds: int, in_a_row: int = 1
) -> dict[str, Sample]:
    """Time the subjects against each other.

    Args:
        subjects: The subjects, by name.
        rounds: How many rounds to time.
        warm_up_rounds: How many to do before.
        in_a_row: How often a round calls each.
    Raises:
        StrayAnswersError: One of them did the wrong thing in more than half of its calls.
    """
    order = list(subjects)
    samples = {name: Sample(_empty(), processor=_empty()) for name in order}
    strays: dict[str, list[object]] = {name: [] for name in order}
    for number in range(-warm_up_rounds, rounds):
        random.shuffle(order)
        for name in (each for each in order for _ in range(in_a_row)):
            spent, result = timed_both_ways(subjects[name])
            if not subjects[name].expected(result):
                strays[name].append(result)
            elif number >= 0:
                samples[name].blocks[number * BLOCKS // rounds].append(spent.clock)
                samples[name].processor[number * BLOCKS // rounds].append(spent.processor)
    for name, results in strays.items():
        if len(results) > (warm_up_rounds + rounds) * in_a_row / 2:
            raise StrayAnswersError(f"{name}: {len(results)} unexpected answers, the last was {results[-1]!r}")
    return {name: samples[name]._replace(strays=len(strays[name])) for name in subjects}


def _empty() -> list[list[int]]:
    return [[] for _ in range(BLOCKS)]


def left_out(samples: Mapping[str, Sample]) -> str:
    """Return a sentence about the calls that did the wrong thing."""
    return f"{sum(sample.strays for sample in samples.values())} calls were answered otherwise and left out."


def timed(subject: Subject) -> tuple[int, Any]:
    """Return how many nanoseconds one call took, and what it returned."""
    spent, result = timed_both_ways(subject)
    return spent.clock, result


def timed_both_ways(subject: Subject) -> tuple[Spent, Any]:
    """Return what one call took, and what it returned."""
    given = subject.prepare()
    processor, clock = time.thread_time_ns(), time.perf_counter_ns()
    result = subject.call(given)
    clock, processor = time.perf_counter_ns() - clock, time.thread_time_ns() - processor
    return Spent(clock, processor), result
