"""The machine of the measurement: how busy other programs keep it, and which core runs what."""

import os
import platform
import sys
from collections.abc import Iterable
from typing import NamedTuple

import psutil

BUSY_PCT = 15.0
"""If other programs use more of the cores than this, the measurement says as much about them."""


class Load(NamedTuple):
    """The load of the machine while the benchmark does nothing."""

    average: float
    """The load average of the last minute. It includes the benchmark's own part."""
    busy_pct: float
    """The share of all cores that other programs used during one second."""


def load() -> Load:
    """Do nothing for a second, and return what other programs do."""
    busy_pct = psutil.cpu_percent(interval=1)
    return Load(os.getloadavg()[0], busy_pct)


def description() -> str:
    """Return what a reader needs to know about the machine."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, {python}"


def pin_apart(servers: Iterable[psutil.Process]) -> str:
    """Give this process and its children one core and the servers another; return a sentence about that."""
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
