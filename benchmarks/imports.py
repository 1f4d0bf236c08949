"""Measures what each import costs at a cold start, as CPython reports it (-X importtime)."""

import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.results import Table

RUNS = 5
MOST_EXPENSIVE = 15
LINE = re.compile(r"import time: +(\d+) \| +(\d+) \| ( *)(\S+)")
OURS = {"app", "lending"}
PYTHONS_OWN = "Python's own"
WORTH_A_ROW_US = 1000


class Import(NamedTuple):
    """One module, imported for the first time."""

    name: str
    depth: int
    """The number of imports around it."""
    own_us: float
    with_others_us: float
    """Includes its own imports."""


def import_tables(command: Sequence[str], variables: Mapping[str, str]) -> list[Table]:
    """Return the imports of a Python command, by package and by module."""
    runs = [_imports(command, variables) for _ in range(RUNS)]
    imports = [_median(same) for same in zip(*runs, strict=True)]
    return [_by_package(imports), _by_module(imports)]


def _imports(command: Sequence[str], variables: Mapping[str, str]) -> list[Import]:
    python, *arguments = command
    done = subprocess.run(
        [python, "-X", "importtime", *arguments], env=variables, capture_output=True, text=True, check=True
    )
    lines = [match.groups() for match in map(LINE.match, done.stderr.splitlines()) if match]
    return [Import(name, len(indent) // 2, int(own), int(total)) for own, total, indent, name in lines]


def _median(same: Sequence[Import]) -> Import:
    """Return a module with the medians of its times."""
    return same[0]._replace(
        own_us=statistics.median(each.own_us for each in same),
        with_others_us=statistics.median(each.with_others_us for each in same),
    )


def _by_package(imports: Sequence[Import]) -> Table:
    sums: dict[str, list[float]] = defaultdict(list)
    for each in imports:
        package = each.name.partition(".")[0]
        known = PYTHONS_OWN if package in sys.stdlib_module_names else package
        sums["ours" if package in OURS else known].append(each.own_us)
    rows = sorted(sums.items(), key=lambda item: -sum(item[1]))
    return Table(
        "Imports by package",
        ["", "modules", "ms"],
        [[name, len(times), sum(times) / 1000] for name, times in rows if sum(times) >= WORTH_A_ROW_US],
        "Each module's own time, measuring included, which adds to it.",
    )


def _by_module(imports: Sequence[Import]) -> Table:
    dearest = sorted(imports, key=lambda each: -each.with_others_us)[:MOST_EXPENSIVE]
    return Table(
        "The most expensive imports",
        ["", "ms with what they import", "ms alone"],
        [[each.name, each.with_others_us / 1000, each.own_us / 1000] for each in dearest],
    )
