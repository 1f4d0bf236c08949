"""A hit through AWS's Runtime Interface Emulator and its runtime client, against the floors."""

import json
import shutil
import statistics
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import floors
from benchmarks.built import build
from benchmarks.interleaved import Sample, Subject, measure
from benchmarks.options import Options
from benchmarks.requests import OK, check, check_event, used_cache
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.stores import Stores
from local.events import CHECK_ELIGIBILITY
from local.run import FUNCTION_ENVIRONMENT
from tests.emulator import Emulator

WARM_UP_ROUNDS = 50
CUSTOMER = 1
LOANS = 10

FLOORS = "Floors"
EMPTY, HIT = "a: empty", "hit"
HANDLERS = {EMPTY: "empty", "b: GET, EMI, JSON": "bare", "c: b, Logger, Metrics": "tools"}
"""The floors' modules."""


def measure_section(stores: Stores, options: Options) -> Findings:
    """Call all of them over HTTP in turn, each call on a connection of its own."""
    stores.add_customers([(CUSTOMER, LOANS)])
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
        subjects[HIT] = Subject(ours.invoke, _event, lambda a: a["statusCode"] == OK and used_cache(a) == "hit")
        samples = measure(subjects, options.rounds, warm_up_rounds=WARM_UP_ROUNDS)
        latency_us = _latency_us(ours.log())
    ratio = samples[HIT].ratio_to(samples[EMPTY])
    return Findings(
        tables=[_table(samples), _shares(samples, latency_us)],
        targets=[Target.of_ratio("hit / empty handler, through the emulator", ratio, 1.25)],
        remarks=[f"{options.rounds} rounds of all, in a random order. Nothing was pinned to a core."],
    )


def _table(samples: dict[str, Sample]) -> Table:
    rows: list[list[Cell]] = [
        [name, sample.median_us, sample.p99_us, sample.ratio_to(samples[EMPTY]).value]
        for name, sample in samples.items()
    ]
    return Table("Calls through the emulator", ["", "median us", "p99 us", "x a"], rows)


def _shares(samples: dict[str, Sample], latency_us: float) -> Table:
    added_us = samples[HIT].median_us - samples[EMPTY].median_us
    rows: list[list[Cell]] = [
        ["in the handler, by its own metric", latency_us, 100 * latency_us / added_us],
        ["in the emulator and the runtime", added_us - latency_us, 100 * (added_us - latency_us) / added_us],
        ["in all", added_us, 100.0],
    ]
    note = "The emulator passes on a hit's line of metrics and its longer answer; the empty handler has neither."
    return Table("What a hit adds to the empty handler", ["", "us", "%"], rows, note)


def _latency_us(log: str) -> float:
    """Return the median of the metric Latency in what a function has printed."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"_aws"')]
    return statistics.median(float(line["Latency"][0]) for line in lines) * 1000


def _event() -> dict[str, object]:
    return check_event(CUSTOMER)
