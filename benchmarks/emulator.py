"""A hit through AWS's Runtime Interface Emulator and its runtime client, against the empty handler."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.built import build
from benchmarks.floors import empty
from benchmarks.interleaved import Subject, measure
from benchmarks.options import Options
from benchmarks.requests import OK, check, check_event, used_cache
from benchmarks.results import Findings, Table, Target
from benchmarks.stores import Stores
from local.events import CHECK_ELIGIBILITY
from local.run import FUNCTION_ENVIRONMENT
from tests.emulator import Emulator

WARM_UP_ROUNDS = 50
CUSTOMER = 1
LOANS = 10

EMPTY, EMPTY_FUNCTION, HIT = "a: empty", "EmptyFunction", "hit"


def measure_section(stores: Stores, options: Options) -> Findings:
    """Call both over HTTP in turn, each call on a connection of its own."""
    stores.add_customers([(CUSTOMER, LOANS)])
    check(CUSTOMER)
    environment = FUNCTION_ENVIRONMENT | stores.environment
    with TemporaryDirectory() as folder:
        built = build(Path(folder))
        (built / EMPTY_FUNCTION).mkdir()
        shutil.copy(str(empty.__file__), built / EMPTY_FUNCTION / "app.py")
        with (
            Emulator(EMPTY_FUNCTION, environment, built) as floor,
            Emulator(CHECK_ELIGIBILITY, environment, built) as ours,
        ):
            subjects = {
                EMPTY: Subject(floor.invoke, _event, lambda answer: bool(answer["body"] == "{}")),
                HIT: Subject(ours.invoke, _event, lambda a: a["statusCode"] == OK and used_cache(a) == "hit"),
            }
            samples = measure(subjects, options.rounds, warm_up_rounds=WARM_UP_ROUNDS)
    ratio = samples[HIT].ratio_to(samples[EMPTY])
    return Findings(
        tables=[
            Table(
                "Calls through the emulator",
                ["", "median us", "p99 us"],
                [[name, sample.median_us, sample.p99_us] for name, sample in samples.items()],
            )
        ],
        targets=[Target.of_ratio("hit / empty handler, through the emulator", ratio, 1.25)],
        remarks=[f"{options.rounds} rounds of both, in a random order. Nothing was pinned to a core."],
    )


def _event() -> dict[str, object]:
    return check_event(CUSTOMER)
