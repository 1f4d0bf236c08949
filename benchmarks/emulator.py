"""Times requests through AWS's Runtime Interface Emulator and its runtime client, against the floors."""

import json
import shutil
import statistics
import sys
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import floors
from benchmarks.built import NotBuiltError, build
from benchmarks.interleaved import Sample, Subject, left_out, measure
from benchmarks.options import Options
from benchmarks.requests import CREATED, OK, check, check_event, create_event, new_key, used_cache
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.stores import Stores
from local.run import FUNCTION_ENVIRONMENT
from local.sam.sample_events import CHECK_ELIGIBILITY, CREATE_LOAN
from testkit.emulator import Emulator

WARM_UP_ROUNDS = 50
CUSTOMER, FORGOTTEN = 1, 2
BORROWERS = range(1001, 1301)
LOANS = 10

FLOORS = "Floors"
EMPTY, BARE, HIT = "a: empty", "b: GET, EMI, JSON", "hit"
HANDLERS = {EMPTY: "empty", BARE: "bare", "c: b, Logger, Metrics": "tools"}
"""The floors' modules."""


def measure_section(stores: Stores, options: Options) -> Findings:
    """Call all of them over HTTP in turn, each call on its own connection."""
    if sys.platform != "linux":
        raise NotBuiltError("AWS's emulator runs on Linux alone.")
    stores.add_customers([(number, LOANS) for number in (CUSTOMER, FORGOTTEN, *BORROWERS)])
    check(CUSTOMER)
    environment = FUNCTION_ENVIRONMENT | stores.environment
    with TemporaryDirectory() as folder, ExitStack() as running:
        built = build(Path(folder))
        shutil.copytree(next(iter(floors.__path__)), built / FLOORS / "benchmarks/floors")
        subjects = {}
        for name, module in HANDLERS.items():
            handler = f"benchmarks.floors.{module}.lambda_handler"
            floor = running.enter_context(Emulator(FLOORS, environment, built, handler=handler))
            subjects[name] = Subject(floor.invoke, _event, lambda answer: bool(answer["statusCode"] == OK))
        ours = running.enter_context(Emulator(CHECK_ELIGIBILITY, environment, built))
        # Other processes for misses and loans, because a process that is called more often than the floors gets faster.
        missing = running.enter_context(Emulator(CHECK_ELIGIBILITY, environment, built))
        lending = running.enter_context(Emulator(CREATE_LOAN, environment, built))
        subjects[HIT] = Subject(ours.invoke, _event, lambda a: a["statusCode"] == OK and used_cache(a) == "hit")
        subjects |= _slower_requests(stores, missing, lending)
        samples = measure(subjects, options.rounds, warm_up_rounds=WARM_UP_ROUNDS)
        latency_us = _latency_us(ours.log())
    ratio = samples[HIT].ratio_to(samples[BARE])
    return Findings(
        tables=[_table(samples), _shares(samples, latency_us)],
        targets=[Target.of_ratio("hit / b, through the emulator", ratio, 1.08)],
        remarks=[
            f"{options.rounds} rounds of all, in a random order. Nothing was pinned to a core.",
            left_out(samples),
        ],
    )


def _slower_requests(stores: Stores, missing: Emulator, lending: Emulator) -> dict[str, Subject]:
    borrowers = cycle(BORROWERS)

    def forgotten() -> dict[str, object]:
        stores.forget(FORGOTTEN)
        return check_event(FORGOTTEN)

    return {
        "miss, 10 loans": Subject(missing.invoke, forgotten, lambda a: used_cache(a) == "fwd=miss; stored"),
        "create-loan, approved": Subject(
            lending.invoke, lambda: create_event(next(borrowers), new_key()), lambda a: a["statusCode"] == CREATED
        ),
    }


def _table(samples: dict[str, Sample]) -> Table:
    rows: list[list[Cell]] = [
        [name, sample.median_us, sample.p99_us, sample.ratio_to(samples[EMPTY]).value]
        for name, sample in samples.items()
    ]
    return Table("Calls through the emulator", ["", "median us", "p99 us", "x a"], rows)


def _shares(samples: dict[str, Sample], latency_us: float) -> Table:
    added_us = samples[HIT].median_us - samples[EMPTY].median_us
    rows: list[list[Cell]] = [
        ["in the handler, up to its line of metrics", latency_us, 100 * latency_us / added_us],
        ["the line, the emulator and the runtime", added_us - latency_us, 100 * (added_us - latency_us) / added_us],
        ["in all", added_us, 100.0],
    ]
    note = "A hit writes a line of metrics and has a longer answer, which the emulator passes on both."
    return Table("What a hit adds to the empty handler", ["", "us", "%"], rows, note)


def _latency_us(log: str) -> float:
    """Return the median of the metric Latency in a function's output."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"_aws"')]
    return statistics.median(float(line["Latency"][0]) for line in lines if "CacheHit" in line) * 1000


def _event() -> dict[str, object]:
    return check_event(CUSTOMER)
