"""Sends many requests at once, with wrk, to a server on the loopback interface."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from local.servers.programs import find_program, install, only_one

SCRIPT = Path(__file__).with_name("requests.lua")
THREADS = 2
"""requests.lua divides the customers among this many threads."""
CONNECTIONS = 4
TIMEOUT_SECONDS = 12
"""Longer than a function may run, so that a slow response is slow and not lost."""


class Traffic(NamedTuple):
    """The requests to send."""

    kind: str
    """The name that requests.lua knows."""
    first: int
    """The first customer's id."""
    customers: int
    """How many there are."""
    run: str
    """Keeps the Idempotency-Keys of this run apart from those of others."""


class Outcome(NamedTuple):
    """The outcome."""

    requests: int
    microseconds: int
    median_us: int
    p99_us: int
    errors: int
    """Responses above 399, time-outs and broken connections."""

    @property
    def per_second(self) -> float:
        """Return the responses per second."""
        return self.requests * 1_000_000 / self.microseconds


class WrkError(Exception):
    """wrk failed; the message comes from wrk."""


def find_wrk() -> Path:
    """Return the program; install it first if it is missing."""
    found = find_program("wrk")
    if found is None:
        with only_one("install"):
            install(apt=[["wrk"]], brew="wrk")
        found = find_program("wrk")
    if found is None:
        raise WrkError("wrk was installed, yet is not to be found.")
    return found


def run_wrk(url: str, traffic: Traffic, seconds: int) -> Outcome:
    """Send the traffic for this long.

    Raises:
        WrkError: It did not report a result.
    """
    options = [f"--threads={THREADS}", f"--connections={CONNECTIONS}", f"--timeout={TIMEOUT_SECONDS}s"]
    script = [f"--duration={seconds}s", f"--script={SCRIPT}", url, "--", *map(str, traffic)]
    done = subprocess.run([str(find_wrk()), *options, *script], capture_output=True, text=True, check=False)
    _, marker, result = done.stdout.rpartition("result ")
    if not marker:
        raise WrkError(f"{done.stdout}{done.stderr}")
    return Outcome(**json.loads(result))
