"""Shows where a request spends its time, by cProfile. It reports shares, because profiling slows every call down."""

import cProfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.interleaved import Subject
from benchmarks.results import Cell, Table

CALLS = 2000
MOST = 12
PACKAGES = ("lending", "functions", "redis", "aws_lambda_powertools", "json", "logging")
WAITING = {"<method 'sendall' of '_socket.socket' objects>", "<method 'recv' of '_socket.socket' objects>"}
"""The functions that send, and that wait for Redis."""
BUILT_IN_FILE = "~"
"""The file name that cProfile gives to a built-in function."""
SOCKETS, BUILT_IN, OTHERS = "sockets, Redis included", "built-in functions", "others"


class Spent(NamedTuple):
    """The cost of one function, or of all functions of a package."""

    package: str
    function: str
    calls: int
    seconds: float
    """Its own time, without the calls that it made."""


def profile_of(name: str, subject: Subject) -> list[Table]:
    """Return the shares of a request's time, by package and by function."""
    prepared = [subject.prepare() for _ in range(CALLS)]
    profiler = cProfile.Profile()
    profiler.enable()
    for given in prepared:
        subject.call(given)
    profiler.disable()
    spent = []
    for entry in profiler.getstats():
        code = entry.code
        file, function = (BUILT_IN_FILE, code) if isinstance(code, str) else (code.co_filename, code.co_name)
        spent.append(Spent(_owner(file, function), _name(file, function), entry.callcount, entry.inlinetime))
    return [
        _table(f"Where a {name} spends its time", _by_package(spent)),
        _table("The functions that take most of it", sorted(spent, key=lambda each: -each.seconds), MOST),
    ]


def _by_package(spent: Sequence[Spent]) -> list[Spent]:
    packages = {each.package for each in spent}
    sums = [
        Spent(
            package,
            "",
            sum(each.calls for each in spent if each.package == package),
            sum(each.seconds for each in spent if each.package == package),
        )
        for package in packages
    ]
    return sorted(sums, key=lambda each: -each.seconds)


def _table(title: str, spent: Sequence[Spent], most: int | None = None) -> Table:
    total = sum(each.seconds for each in spent)
    rows: list[list[Cell]] = [
        [each.function or each.package, each.calls / CALLS, 100 * each.seconds / total] for each in spent[:most]
    ]
    note = f"{CALLS} calls under cProfile, the own time of each alone; profiling slows every call down, ours most."
    return Table(title, ["", "calls", "% of its time"], rows, note)


def _name(file: str, function: str) -> str:
    """Return a function's name for a reader. Built-in functions already have their full names."""
    return (
        function.strip("<>").removeprefix("built-in method ")
        if file == BUILT_IN_FILE
        else f"{Path(file).name}: {function}"
    )


def _owner(file: str, function: str) -> str:
    if file == BUILT_IN_FILE:
        return SOCKETS if function in WAITING else BUILT_IN
    return next((part for part in reversed(Path(file).parts) if part in PACKAGES), OTHERS)
