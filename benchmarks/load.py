"""Loads the local front with wrk: how many requests per second two processes answer, with Redis and without."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from benchmarks.options import Options
from benchmarks.requests import check
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.served import WORKERS, Front, serving
from benchmarks.soak import soak
from benchmarks.stores import Stores
from benchmarks.wrk import CONNECTIONS, Traffic, find_wrk, run_wrk
from lending import wiring

REGULARS = range(1, 1001)
"""Requested again and again."""
BORROWERS = range(1001, 3001)
FIRST_STRANGER = 10_001
MISSES_PER_SECOND = 2000
"""Two processes answer fewer than this, so no customer is requested twice."""
LOANS = 10
WARM_UP_SECONDS = 2


class Phase(NamedTuple):
    """One kind of load."""

    name: str
    kind: str
    customers: range
    condition: Callable[[Stores], AbstractContextManager[None]] = lambda _: nullcontext()
    """Holds meanwhile."""


def measure_section(stores: Stores, options: Options) -> Findings:
    """Serve, and send one kind of load after the other."""
    find_wrk()
    strangers = range(FIRST_STRANGER, FIRST_STRANGER + MISSES_PER_SECOND * options.seconds)
    stores.add_customers([(number, LOANS) for number in (*REGULARS, *BORROWERS, *strangers)])
    for number in REGULARS:
        check(number)
    wiring.close()  # from here on only the front uses the stores
    phases = [
        Phase("hits", "check", REGULARS),
        Phase("misses", "walk", strangers),
        Phase("checks, Redis refuses connections", "check", REGULARS, _redis_gone),
        Phase("checks, Redis is silent", "check", REGULARS, _redis_silent),
        Phase("create-loan, with a key", "create", BORROWERS),
        Phase("95 checks to 5 loans", "mix", REGULARS),
        Phase("95 checks to 5 loans, Redis is silent", "mix", REGULARS, _redis_silent),
    ]
    with serving() as front:
        run_wrk(front.url, Traffic("check", REGULARS.start, len(REGULARS), "warm-up"), WARM_UP_SECONDS)
        rows = [_row(stores, front, phase, options.seconds) for phase in phases]
        # Last, because it leaves loans and a full outbox behind.
        regular_mix = Traffic("mix", REGULARS.start, len(REGULARS), "soak")
        soaked, targets = soak(stores, front, regular_mix, options.soak_seconds)
    errors = sum(int(row[4] or 0) for row in rows)
    return Findings(
        tables=[
            Table(
                f"Two workers behind {CONNECTIONS} connections",
                ["", "requests/s", "median ms", "p99 ms", "errors", "statements a request"],
                rows,
                f"{options.seconds} s each. wrk, {WORKERS} gunicorn workers, MySQL and Redis share the cores.",
            ),
            soaked,
        ],
        targets=[
            # refresh_cache, once a minute, has a few of its own.
            Target.of_count("SQL statements a hit", float(rows[0][-1] or 0), 0.01),
            Target.of_count("errors, Redis away or not", errors, 0),
            *targets,
        ],
        remarks=["Nothing was pinned to a core, and the machine was not watched in between."],
    )


def _row(stores: Stores, front: Front, phase: Phase, seconds: int) -> list[Cell]:
    traffic = Traffic(
        phase.kind, phase.customers.start, len(phase.customers), phase.name.replace(" ", "-").replace(",", "")
    )
    with phase.condition(stores):
        before = stores.status("Questions")
        outcome = run_wrk(front.url, traffic, seconds)
        statements = stores.status("Questions") - before
    return [
        phase.name,
        outcome.per_second,
        outcome.median_us / 1000,
        outcome.p99_us / 1000,
        outcome.errors,
        statements / outcome.requests,
    ]


@contextmanager
def _redis_gone(stores: Stores) -> Iterator[None]:
    stores.redis_server.stop()
    try:
        yield
    finally:
        stores.redis_server.start()


@contextmanager
def _redis_silent(stores: Stores) -> Iterator[None]:
    stores.redis_server.pause()
    try:
        yield
    finally:
        stores.redis_server.resume()
