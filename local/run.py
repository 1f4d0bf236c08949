"""Serves the API on a laptop: `python -m local.run`.

It uses the MySQL and Redis that DB_* and REDIS_* name. `make run` starts private ones around it. It migrates the
schema, loads the sample portfolio into an empty database where SAMPLE=1 asks for it, and serves with gunicorn until
Ctrl-C or SIGTERM. PORT, WORKERS and LAMBDA_LOG change how it serves.
"""

import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import psutil
import pymysql

from db.errors import MigrationError
from db.migrate import migrate
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import connect, why_none
from lending.config import InvalidSettingError, Settings
from local.front.gunicorn_conf import OWN_LOG_VARIABLE
from local.sample_data import is_empty, load_if_empty

HOST = "127.0.0.1"
MAX_PORT = 65535
LOGS = Path(".local")

# template.yaml sets these beside DB_* and REDIS_*. Here one process runs both functions.
FUNCTION_ENVIRONMENT = {
    "LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_NAMESPACE": "Lending",
    "POWERTOOLS_SERVICE_NAME": "lending",
}


class StartError(Exception):
    """The API cannot be served; the message says what to do about it."""


@dataclass(frozen=True)
class Options:
    """How to serve, from the environment."""

    port: int
    """0: the system chooses a free one."""
    workers: int
    """Processes, each of which answers one request at a time."""
    lambda_log: Path | None
    """Where the functions' log lines go; /dev/stdout: to the terminal. None: to a file that ends with the run."""
    with_sample: bool
    """Whether an empty database gets the sample portfolio."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the options in PORT, WORKERS and LAMBDA_LOG.

        Raises:
            StartError: A value makes no sense; the message names it.
        """
        return cls(
            port=_integer(environ, "PORT", 3000, 0, MAX_PORT),
            workers=_integer(environ, "WORKERS", 2, 1, 100),
            lambda_log=Path(environ["LAMBDA_LOG"]) if environ.get("LAMBDA_LOG") else None,
            with_sample=environ.get("SAMPLE") == "1",
        )


def listen(port: int) -> socket.socket:
    """Return a socket that already listens, so that a taken port is known before any work is done.

    Raises:
        StartError: Another program has the port, or this one may not.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError as exc:
        reason = os.strerror(exc.errno or 0)
        raise StartError(f"Cannot serve on port {port}: {reason}. Choose another: PORT=3001 make run") from exc


def prepare_database(settings: Settings, *, with_sample: bool) -> None:
    """Bring the schema up to date and, if that is wanted, give an empty database something to ask about.

    Raises:
        StartError: The database cannot be used.
    """
    try:
        connection = connect(settings)
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        raise StartError(
            f"No database: {why_none(exc)}. Correct the DB_* variables, or unset DB_HOST to get a private one."
        ) from exc

    with connection:
        for name in migrate(connection):
            print(f"Migrated: {name}.", flush=True)
        if with_sample:
            loaded = load_if_empty(connection, datetime.now(settings.business_timezone).date())
            if loaded:
                print(f"Loaded the sample portfolio: {loaded} customers.", flush=True)
        elif is_empty(connection):
            print("There are no customers yet: `make import` brings yours, `make sample` the sample's.", flush=True)


def own_log() -> Path:
    """Return a log of this run alone; remove those that killed runs have left."""
    for left in LOGS.glob("lambda-*.log"):
        pid = left.stem.removeprefix("lambda-")
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            left.unlink(missing_ok=True)
    return LOGS / f"lambda-{os.getpid()}.log"


def serve(listener: socket.socket, options: Options) -> None:
    """Become gunicorn's master process; it ends by SystemExit.

    Raises:
        StartError: LAMBDA_LOG cannot be written.
    """
    log = options.lambda_log or own_log()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")  # keeps only this run's lines; otherwise the file grows without end
    except OSError as exc:
        raise StartError(f"Cannot write LAMBDA_LOG={log}: {exc.strerror}.") from exc
    own = {} if options.lambda_log else {OWN_LOG_VARIABLE: str(log)}
    os.environ.update(FUNCTION_ENVIRONMENT | os.environ, LAMBDA_LOG=str(log), **own)

    config = ["--config", "python:local.front.gunicorn_conf", "--workers", str(options.workers)]
    sys.argv = ["gunicorn", *config, "--bind", f"fd://{listener.detach()}"]
    # Like `python -m gunicorn`, but in this process, so that stopping it stops everything.
    runpy.run_module("gunicorn", run_name="__main__")


def main() -> None:
    """Serve until stopped."""
    # Until gunicorn takes over, Ctrl-C ends this at once without a traceback. MySQL rolls back unfinished work.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        options = Options.from_env(os.environ)
        with listen(options.port) as listener:
            prepare_database(Settings.from_env(os.environ), with_sample=options.with_sample)
            serve(listener, options)
    except (StartError, InvalidSettingError, MigrationError) as exc:
        sys.exit(f"run: {exc}")


def _integer(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise StartError(f"{name} must be an integer from {low} to {high}, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
