"""The local front, started as in `make run`, with access to its processes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.servers.server import HOST, accepts_connections

WORKERS = 2
READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20


class NotServingError(Exception):
    """The front did not start."""


@dataclass(frozen=True)
class Front:
    """A running front."""

    url: str
    process: psutil.Process

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes."""
        beside = {"local.refresh", "local.pages"}
        return [child for child in self.process.children() if beside.isdisjoint(child.cmdline())]


@contextmanager
def serving(log: Path = Path(os.devnull)) -> Iterator[Front]:
    """Start the front on the stores that this process's environment names, and stop it at the end."""
    with socket.create_server((HOST, 0)) as listener:
        port = int(listener.getsockname()[1])
    # The request lines are written, but to /dev/null; so are the functions' log lines, unless somebody reads them.
    environment = os.environ | {"PORT": str(port), "WORKERS": str(WORKERS), "LAMBDA_LOG": str(log)}
    with psutil.Popen([sys.executable, "-m", "local.run"], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            front = Front(f"http://{HOST}:{port}", process)
            _wait_until_it_answers(front, port)
            yield front
        finally:
            process.terminate()
            _wait_until_it_ended(process)


def _wait_until_it_ended(process: psutil.Process) -> None:
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        raise NotServingError("The local front did not end when it was asked to.") from None


def _wait_until_it_answers(front: Front, port: int) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    # The port is open before the workers are there.
    while not (accepts_connections(HOST, port) and len(front.workers()) == WORKERS):
        if time.monotonic() > deadline or not front.process.is_running():
            raise NotServingError("The local front does not answer.")
        time.sleep(0.1)
