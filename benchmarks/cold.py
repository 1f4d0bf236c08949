"""Times a process from its start to its first answer (a hit), with the built layer, and times its imports."""

import json
import os
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.built import build, runtime_python, without_bytecode
from benchmarks.imports import import_tables
from benchmarks.interleaved import Sample, Subject, left_out, measure
from benchmarks.machine import pin_apart
from benchmarks.options import Options
from benchmarks.requests import check, check_event
from benchmarks.results import Findings, Table, Target
from benchmarks.stores import Stores
from local.run import FUNCTION_ENVIRONMENT
from local.sam.sample_events import CHECK_ELIGIBILITY
from testkit.emulator import ROOT

WARM_UP_STARTS = 2
KNOWN, FORGOTTEN = 1, 2
"""The customer whose score is cached, and one whose is not."""
LOANS = 10
FIRST_ANSWER = Path(__file__).with_name("first_answer.py")

PYTHON, BARE, TOOLS = "Python alone", "b: GET, EMI, JSON", "c: b, Logger, Metrics"
OURS, MISS, SLOW = "ours", "ours, the first answer a miss", "ours without bytecode"


class Started(NamedTuple):
    """A process after its answer."""

    process: "subprocess.Popen[bytes]"
    answer: str


@dataclass
class Environment:
    """Starts a new process for each call. The process imports a handler and answers one event."""

    command: list[str]
    variables: dict[str, str]
    answer: str
    """The line that it should print about its answer."""
    prepare: Callable[[], None] = lambda: None
    """Called before each start."""
    resident_kib: list[int] = field(default_factory=list)
    """The memory of each process after its answer."""

    def as_subject(self) -> Subject:
        """Return it as a subject to time, up to its answer."""
        return Subject(call=lambda _: self._start(), prepare=self.prepare, expected=self._ended_well)

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
    """Start processes of all kinds in turn."""
    stores.add_customers([(KNOWN, LOANS), (FORGOTTEN, LOANS)])
    check(KNOWN)
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
            Target.of_ratio("ours / c", samples[OURS].ratio_to(samples[TOOLS]), 0.85),
            Target.of_ratio("ours, the first answer a miss / c", samples[MISS].ratio_to(samples[TOOLS]), 1.15),
            Target.of_ratio("ours / ours without bytecode", samples[OURS].ratio_to(samples[SLOW]), 0.5),
        ],
        remarks=[
            pinned,
            f"{options.starts} starts of each kind, in turn and in a random order, all files in the page cache.",
            left_out(samples),
        ],
    )


def _environments(stores: Stores, built: Path, folder: Path) -> dict[str, Environment]:
    python = runtime_python()
    layer, function = built / "CommonLayer/python", built / CHECK_ELIGIBILITY
    slow_layer = without_bytecode(layer, folder / "layer")
    # No bytecode is written, because the runtime cannot write any either.
    variables = FUNCTION_ENVIRONMENT | stores.environment | {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}

    def answering(module: str, *path: Path, customer_id: int = KNOWN, cache_status: str = "") -> Environment:
        event = folder / f"{customer_id}.json"
        event.write_text(json.dumps(check_event(customer_id)), encoding="utf-8")
        # -P: keeps this folder's modules out of the imports.
        command = [python, "-P", str(FIRST_ANSWER), module, str(event)]
        return Environment(
            command,
            variables | {"PYTHONPATH": os.pathsep.join(map(str, path))},
            f"200 {cache_status}".strip(),
            partial(stores.forget, FORGOTTEN),
        )

    hit = "credit-score; hit"
    return {
        PYTHON: Environment([python, "-c", "import os; os.write(2, b'200')"], variables, "200"),
        BARE: answering("benchmarks.floors.bare", ROOT, layer),
        TOOLS: answering("benchmarks.floors.tools", ROOT, layer),
        OURS: answering("app", function, layer, cache_status=hit),
        MISS: answering("app", function, layer, customer_id=FORGOTTEN, cache_status="credit-score; fwd=miss; stored"),
        SLOW: answering("app", function, slow_layer, cache_status=hit),
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
