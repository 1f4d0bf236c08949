"""From the start of a process to its first answer, a hit, with the layer as `sam build` leaves it; the imports."""

import json
import os
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.built import build, runtime_python, without_bytecode
from benchmarks.imports import import_tables
from benchmarks.interleaved import Sample, Subject, measure
from benchmarks.machine import pin_apart
from benchmarks.options import Options
from benchmarks.requests import check, check_event
from benchmarks.results import Findings, Table, Target
from benchmarks.stores import Stores
from local.events import CHECK_ELIGIBILITY
from local.run import FUNCTION_ENVIRONMENT
from tests.emulator import ROOT

WARM_UP_STARTS = 2
CUSTOMER = 1
LOANS = 10
FIRST_ANSWER = Path(__file__).with_name("first_answer.py")

PYTHON, BARE, TOOLS = "Python alone", "b: GET, EMI, JSON", "c: b, Logger, Metrics"
OURS, SLOW = "ours", "ours without bytecode"


class Started(NamedTuple):
    """A process that has answered."""

    process: "subprocess.Popen[bytes]"
    answer: str


@dataclass
class Environment:
    """A new process for each call, which imports a handler and answers one event."""

    command: list[str]
    variables: dict[str, str]
    answer: str
    """What it should say of its answer."""
    resident_kib: list[int] = field(default_factory=list)
    """What each had in memory after it."""

    def as_subject(self) -> Subject:
        """Return it as something to be timed, until its answer is there."""
        return Subject(call=lambda _: self._start(), prepare=lambda: None, expected=self._ended_well)

    def _start(self) -> Started:
        process = subprocess.Popen(
            self.command, env=self.variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=False
        )
        assert process.stderr is not None  # noqa: S101 - for mypy
        return Started(process, process.stderr.readline().decode())

    def _ended_well(self, started: Started) -> bool:
        _, rest = started.process.communicate()
        if rest.strip().isdigit():
            self.resident_kib.append(int(rest))
        return started.answer.strip() == self.answer


def measure_section(stores: Stores, options: Options) -> Findings:
    """Start processes of each kind in turn."""
    stores.add_customers([(CUSTOMER, LOANS)])
    check(CUSTOMER)
    pinned = pin_apart(stores.processes)
    with TemporaryDirectory() as folder:
        environments = _environments(stores, build(Path(folder) / "built"), Path(folder))
        subjects = {name: environment.as_subject() for name, environment in environments.items()}
        samples = measure(subjects, options.starts, warm_up_rounds=WARM_UP_STARTS)
        ours = environments[OURS]
        imports = import_tables(ours.command, ours.variables)
    return Findings(
        tables=[_table(samples, environments), *imports],
        targets=[
            Target.of_ratio("ours / c", samples[OURS].ratio_to(samples[TOOLS]), 1.08),
            Target.of_ratio("ours / ours without bytecode", samples[OURS].ratio_to(samples[SLOW]), 0.5),
        ],
        remarks=[
            pinned,
            f"{options.starts} starts of each kind, in turn and in a random order, all files in the page cache.",
        ],
    )


def _environments(stores: Stores, built: Path, folder: Path) -> dict[str, Environment]:
    python = runtime_python()
    event = folder / "event.json"
    event.write_text(json.dumps(check_event(CUSTOMER)), encoding="utf-8")
    layer, function = built / "CommonLayer/python", built / CHECK_ELIGIBILITY
    slow_layer = without_bytecode(layer, folder / "layer")
    variables = FUNCTION_ENVIRONMENT | stores.environment | {"PATH": os.defpath}
    # Nowhere: the runtime cannot write bytecode either.
    variables |= {"PYTHONDONTWRITEBYTECODE": "1"}

    def answering(module: str, cache_status: str, *path: Path) -> Environment:
        command = [python, str(FIRST_ANSWER), module, str(event)]
        paths = {"PYTHONPATH": os.pathsep.join(map(str, path))}
        return Environment(command, variables | paths, f"200 {cache_status}".strip())

    return {
        PYTHON: Environment([python, "-c", "import os; os.write(2, b'200')"], variables, "200"),
        BARE: answering("benchmarks.floors.bare", "", ROOT, layer),
        TOOLS: answering("benchmarks.floors.tools", "", ROOT, layer),
        OURS: answering("app", "credit-score; hit", function, layer),
        SLOW: answering("app", "credit-score; hit", function, slow_layer),
    }


def _table(samples: dict[str, Sample], environments: dict[str, Environment]) -> Table:
    rows = [
        [
            name,
            sample.median_us / 1000,
            sample.p99_us / 1000,
            sample.ratio_to(samples[TOOLS]).value,
            _mib(environments[name].resident_kib),
        ]
        for name, sample in samples.items()
    ]
    return Table("From the start of a process to its first answer", ["", "median ms", "p99 ms", "x c", "MiB"], rows)


def _mib(resident_kib: list[int]) -> float | None:
    return statistics.median(resident_kib) / 1024 if any(resident_kib) else None
