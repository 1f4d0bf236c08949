"""Measures how much memory a process uses while it runs."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

import psutil

INTERVAL_SECONDS = 0.05
MIB = 1024 * 1024


class CommandFailedError(Exception):
    """The measured command failed; the message is its own."""


@dataclass(frozen=True)
class Run:
    """A command that ran to its end."""

    seconds: float
    peak_mib: float


def run_watched(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a command and watch its memory.

    Raises:
        CommandFailedError: It ended with another status than 0.
    """
    started_at = time.monotonic()
    with (
        TemporaryFile("w+") as output,
        psutil.Popen(command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        peak = 0
        while process.poll() is None:
            peak = max(peak, resident_bytes(process))
            time.sleep(INTERVAL_SECONDS)
        seconds = time.monotonic() - started_at
        if process.returncode != 0:
            output.seek(0)
            raise CommandFailedError(f"{' '.join(command)}:\n{output.read()[-2000:]}")
    return Run(seconds, peak / MIB)


def resident_bytes(process: psutil.Process) -> int:
    """Return the memory that a process uses; 0 if it has just ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
