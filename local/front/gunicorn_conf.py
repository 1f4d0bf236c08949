"""How gunicorn serves the local front; `local.run` adds the address, the number of workers and LAMBDA_LOG.

Sync workers answer one request at a time, as an execution environment of Lambda does. The settings and hooks are
gunicorn's, by its names.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from local.front.lambda_context import TIMEOUT_SECONDS
from local.front.pages import HOST, PORT_VARIABLE, is_page

wsgi_app = "local.front.application:create_application()"

# A function that exceeds its time is killed with its process, as in Lambda.
timeout = TIMEOUT_SECONDS

# A developer who stops the server does not want to wait. The database rolls back what a killed request leaves open.
graceful_timeout = 1

# The terminal shows warnings and one line per request: method, path, status, time and what the cache said.
loglevel = "warning"
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s %(M)s ms %({cache-status}o)s"

# Nobody uses gunicornc here, and all projects would share its one socket in the home folder.
control_socket_disable = True

OWN_LOG_VARIABLE = "LENDING_OWN_LOG"
"""Names a log that ends with the run."""

_beside: list["subprocess.Popen[bytes]"] = []
"""The refresh and the pages."""
PARENT_CHECK_SECONDS = 1


class Worker(Protocol):
    """What the hooks use of gunicorn's worker."""

    age: int
    """Which worker it is, counted from 1; one that replaces another counts on."""
    sockets: Sequence[socket.socket]


class Settings(Protocol):
    """What the hooks use of gunicorn's settings."""

    workers: int


class Master(Protocol):
    """What the hooks use of gunicorn's master, its arbiter."""

    WORKERS: Mapping[int, Worker]
    """The workers by process id."""
    cfg: Settings


def on_starting(server: Master) -> None:
    """Start what runs beside the workers: the refresh, in place of AWS's schedule, and the pages."""
    with socket.create_server((HOST, 0)) as pages:
        os.environ[PORT_VARIABLE] = str(pages.getsockname()[1])
        command = ("local.pages", str(pages.fileno()), str(server.cfg.workers))
        _beside.append(_module(*command, pass_fds=[pages.fileno()]))
    _beside.append(_module("local.refresh", "--go-on"))


def _module(*command: str, pass_fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """Start a module whose output goes where the functions' goes."""
    with Path(os.environ["LAMBDA_LOG"]).open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds
        )


def when_ready(_server: object) -> None:
    """Prepare the master process, before it starts the workers."""
    logging.getLogger("gunicorn.access").addFilter(_is_worth_a_line)

    # gunicorn reloads on a hang-up. On a laptop a hang-up means that the terminal was closed.
    signal.signal(signal.SIGHUP, lambda _signal, _frame: _stop())

    # The process that started the master may have been killed, and its stores with it. A timer looks for that, because
    # a thread and the later forks do not mix. Workers do not inherit the timer, and end with the master.
    parent = os.getppid()
    signal.signal(signal.SIGALRM, lambda _signal, _frame: _stop() if os.getppid() != parent else None)
    signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK_SECONDS, PARENT_CHECK_SECONDS)


def post_fork(_server: object, _worker: Worker) -> None:
    """Send what the handlers print to the log file; the request lines keep the terminal."""
    log = Path(os.environ["LAMBDA_LOG"])
    sys.stdout = log.open("a", buffering=1, encoding="utf-8")


def post_worker_init(worker: Worker) -> None:
    """Let the first worker say that the API answers: its handlers are imported, and the socket listens already."""
    if worker.age == 1:
        _announce(*worker.sockets[0].getsockname())


def worker_int(_worker: Worker) -> None:
    """Leave at once on Ctrl-C; gunicorn would log a request that is under way as failed, with a traceback."""
    os._exit(0)


def on_exit(server: Master) -> None:
    """End what runs beside, and wait for workers that had to be killed, so that none outlives the master process."""
    signal.setitimer(
        signal.ITIMER_REAL, 0
    )  # Python drops its handlers while it exits, and the timer would kill it then
    for process in _beside:
        process.terminate()
        process.wait()
    for pid in list(server.WORKERS):
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    if own := os.environ.get(OWN_LOG_VARIABLE):
        Path(own).unlink(missing_ok=True)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Tell whether a request was for the API: an open page asks for itself every second."""
    if not isinstance(record.args, Mapping):
        return True
    return not is_page(str(record.args["m"]), str(record.args["U"]))


def _announce(host: str, port: int) -> None:
    """Say how to use the API."""
    body = '{"customer_id": 1001, "loan_amount": 100000, "interest_rate": 10.5, "tenure": 12}'
    print(
        f"Ready on http://{host}:{port}. Try:\n\n"
        f"  curl -i http://{host}:{port}/check-eligibility -H 'Content-Type: application/json' -d '{body}'\n\n"
        f"A browser shows it working: http://{host}:{port}\n\n"
        f"The functions log to {os.environ['LAMBDA_LOG']}. Ctrl-C stops everything.\n",
        file=sys.__stdout__,
        flush=True,
    )
