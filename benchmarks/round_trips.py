"""Counts how often each request asks the database and Redis, with the servers' own counters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.interleaved import StrayAnswersError, Subject
from benchmarks.results import Table
from benchmarks.stores import Stores
from lending import wiring

COLUMNS = ["", "SQL statements", "Redis round trips", "Redis commands"]


class Traffic(NamedTuple):
    """What one request sent."""

    statements: int
    """Statements to the database. Each is a round trip."""
    redis_round_trips: int
    redis_commands: str
    """Commands by name, including those that scripts ran."""


@dataclass(frozen=True)
class TrafficMeter:
    """Reads the servers' counters before and after a call, and leaves out its own questions."""

    stores: Stores

    def watch(self, call: Callable[[], object]) -> Traffic:
        """Return what a call sends. Nothing else may use the servers meanwhile."""
        commands, reads, statements = self._commands(), self._reads(), self.stores.status("Questions")
        call()
        statements = self.stores.status("Questions") - statements - 1
        reads = self._reads() - reads - 1
        after = self._commands()
        new = {name: calls - commands.get(name, 0) for name, calls in after.items() if name != "info"}
        sent = ", ".join(f"{name} {calls}" for name, calls in sorted(new.items()) if calls)
        return Traffic(statements, reads, sent)

    def _reads(self) -> int:
        """Return how often the server has read from a client. Each is one round trip, with one command or more."""
        return int(self._info("stats")["total_reads_processed"])

    def _commands(self) -> dict[str, int]:
        counts = self._info("commandstats")
        return {name.removeprefix("cmdstat_"): int(count["calls"]) for name, count in counts.items()}

    def _info(self, section: str) -> dict[str, Any]:
        return dict(self.stores.cache.info(section))


def traffic_of(stores: Stores, subjects: Mapping[str, Subject]) -> dict[str, Traffic]:
    """Return what each request sends, once everything is warm."""
    meter = TrafficMeter(stores)
    traffic = {}
    for name, subject in subjects.items():
        subject.call(subject.prepare())  # connects, or fills the entry that the next call hits
        traffic[name] = _watched(meter, name, subject)
    return traffic


def connecting_traffic_of(stores: Stores, subjects: Mapping[str, Subject]) -> dict[str, Traffic]:
    """Return what each request sends if it is the first of its execution environment."""
    traffic = {}
    for name, subject in subjects.items():
        wiring.close()
        traffic[name] = _watched(TrafficMeter(stores), name, subject)
    return traffic


def table_of(traffic: Mapping[str, Traffic]) -> Table:
    """Return the counts as a table."""
    note = "Counted by the servers: Questions, total_reads_processed, commandstats."
    return Table("What a request asks of the stores", COLUMNS, [[name, *row] for name, row in traffic.items()], note)


def _watched(meter: TrafficMeter, name: str, subject: Subject) -> Traffic:
    given = subject.prepare()
    answers: list[Any] = []
    traffic = meter.watch(lambda: answers.append(subject.call(given)))
    if not subject.expected(answers[0]):
        raise StrayAnswersError(f"{name}: {answers[0]!r}")
    return traffic
