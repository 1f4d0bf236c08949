"""The machine that is measured on: how busy it is with other things, and who runs on which of its cores."""

import os
import platform
import sys
from collections.abc import Iterable
from typing import NamedTuple

import psutil

BUSY_PCT = 15.0
"""With more of its cores at work for others, what is measured says as much about them."""


class Load(NamedTuple):
    """What the machine does while the benchmark does nothing."""

    average: float
    """Of the last minute, the benchmark's own part included."""
    busy_pct: float
    """Of all cores, by others, during one second."""


def load() -> Load:
    """Do nothing for a second, and see what the others do."""
    busy_pct = psutil.cpu_percent(interval=1)
    return Load(os.getloadavg()[0], busy_pct)


def description() -> str:
    """Return what a reader needs to know of the machine."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, {python}"


def pin_apart(servers: Iterable[psutil.Process]) -> str:
    """Give this process and its children one core and the servers another; return a sentence on it."""
    if sys.platform != "linux":
        return "Nothing was pinned to a core: this system cannot."
    cores = sorted(os.sched_getaffinity(0))
    threads = [thread.id for server in servers for thread in server.threads()]
    if len(cores) == 1 or not threads:
        return "Nothing was pinned to a core: there is only one, or the servers run in containers."
    for thread in threads:
        os.sched_setaffinity(thread, {cores[0]})
    os.sched_setaffinity(0, {cores[1]})
    return "MySQL and Redis were pinned to one core, what was measured to another."
