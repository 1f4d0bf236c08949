"""Sends the same load for a long time, and watches whether memory, connections or errors grow."""

import threading
from dataclasses import dataclass

from benchmarks.memory import MIB, resident_bytes
from benchmarks.results import Cell, Table, Target
from benchmarks.served import Front
from benchmarks.stores import Stores
from benchmarks.wrk import Outcome, Traffic, run_wrk

INTERVAL_SECONDS = 1.0
SETTLING_SHARE = 0.2
"""The first part of the run, in which the workers' caches fill and connections open."""


@dataclass(frozen=True)
class Observation:
    """One look at all processes and servers."""

    workers: frozenset[int]
    """Their process ids."""
    workers_mib: float
    """The memory of all workers together."""
    database_connections: int
    redis_connections: int
    redis_mib: float


def soak(stores: Stores, front: Front, traffic: Traffic, seconds: int) -> tuple[Table, list[Target]]:
    """Send the traffic for this long and look every second."""
    observations: list[Observation] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(INTERVAL_SECONDS):
            observations.append(_observe(stores, front))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outcome = run_wrk(front.url, traffic, seconds)
    finally:
        over.set()
        watcher.join()
    settled = observations[int(len(observations) * SETTLING_SHARE) :]
    return _table(settled, outcome, seconds), _targets(settled, outcome)


def _observe(stores: Stores, front: Front) -> Observation:
    workers = front.workers()
    info = stores.cache.info()
    return Observation(
        workers=frozenset(worker.pid for worker in workers),
        workers_mib=sum(map(resident_bytes, workers)) / MIB,
        database_connections=stores.status("Threads_connected"),
        redis_connections=info["connected_clients"],
        redis_mib=info["used_memory"] / MIB,
    )


def _table(settled: list[Observation], outcome: Outcome, seconds: int) -> Table:
    def row(what: str, values: list[float] | list[int]) -> list[Cell]:
        return [what, values[0], min(values), max(values), values[-1]]

    return Table(
        f"{seconds} seconds of 95 checks to 5 loans",
        ["", "settled", "least", "most", "at the end"],
        [
            row("memory of both workers, MiB", [each.workers_mib for each in settled]),
            row("connections at the database", [each.database_connections for each in settled]),
            row("connections at Redis", [each.redis_connections for each in settled]),
            row("memory of Redis, MiB", [each.redis_mib for each in settled]),
        ],
        f"{outcome.requests:,} requests, {outcome.per_second:,.0f} a second, p99 {outcome.p99_us / 1000:.1f} ms, "
        f"{outcome.errors} errors. Connections of the benchmark and of refresh_cache are among those counted.",
    )


def _targets(settled: list[Observation], outcome: Outcome) -> list[Target]:
    database = [each.database_connections for each in settled]
    redis = [each.redis_connections for each in settled]
    return [
        Target.of_count("errors in the long run", outcome.errors, 0),
        Target.of_count("memory at the end / settled", settled[-1].workers_mib / settled[0].workers_mib, 1.05),
        Target.of_count("database connections, most - least", max(database) - min(database), 0),
        Target.of_count("Redis connections, most - least", max(redis) - min(redis), 0),
        Target.of_count("workers replaced", len(frozenset.union(*(each.workers for each in settled))) - 2, 0),
    ]
