"""Execution environments like Lambda's: processes with their own connections that answer one request at a time."""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import pymysql

from testkit.service import Answer, Service

# The modules of the handlers are imported once, by the process that all environments are forked from.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["testkit.environments"])

STDOUT = 1
"""The file descriptor to which the handlers log."""

ANSWER_TIMEOUT_SECONDS = 30
"""Far above the function's time. A longer wait means that a handler hangs."""

_starting = threading.Lock()  # multiprocessing has a list of children that threads must not change at the same time


class EnvironmentKilledError(Exception):
    """The process was killed before it answered."""


class Environment:
    """A process that carries out calls in order, until it is killed."""

    def __init__(self, stores: Mapping[str, str]) -> None:
        """Start the process, with these variables DB_* and REDIS_* in its environment."""
        self._pipe, theirs = FORKSERVER.Pipe()
        with _starting:
            self._process = FORKSERVER.Process(target=_serve, args=[theirs, dict(stores)], daemon=True)
            self._process.start()
        theirs.close()
        self._killed = False

    def begin(self, function: Callable[..., object], *args: object) -> None:
        """Have the process call a function of a module that it can import."""
        with self._end_told_apart():
            # Not send(): if it fails, Python complains about the buffer that it leaves behind.
            self._pipe.send_bytes(pickle.dumps((function, args)))

    def result(self) -> Any:
        """Wait for the function's return value.

        Raises:
            EnvironmentKilledError: The process was killed first.
        """
        with self._end_told_apart():
            if self._pipe.poll(ANSWER_TIMEOUT_SECONDS):
                return self._pipe.recv()
        raise TimeoutError("A handler has not answered in time.")

    def kill(self) -> None:
        """End the process without notice (SIGKILL)."""
        self._killed = True
        self._process.kill()

    def close(self) -> None:
        """Kill the process and forget it."""
        self.kill()
        with _starting:
            self._process.join()
            self._process.close()
        self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _end_told_apart(self) -> Iterator[None]:
        """Turn the end that kill() caused into its own error. Any other error passes unchanged."""
        try:
            yield
        except (EOFError, OSError) as exc:
            if not self._killed:
                raise
            raise EnvironmentKilledError from exc


@contextmanager
def environments(count: int, stores: Mapping[str, str]) -> Iterator[list[Environment]]:
    """Start this many environments on the same stores."""
    with ExitStack() as stack:
        yield [stack.enter_context(Environment(stores)) for _ in range(count)]


def create_loan(body: Mapping[str, object], key: str | None) -> Answer:
    """Send POST /create-loan. An environment calls this."""
    return Service().post("/create-loan", body, {} if key is None else {"idempotency-key": key})


def _serve(pipe: "Connection[Any, Any]", stores: Mapping[str, str]) -> None:
    """Carry out each call and send back its return value, until the other end is gone."""
    os.environ.update(stores)
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        # If the server has a certificate, the driver encrypts by default, and no proxy could recognise a COMMIT.
        patch.object(pymysql, "connect", partial(pymysql.connect, ssl_disabled=True)),
    ):
        os.dup2(nowhere.fileno(), STDOUT)
        while True:
            try:
                function, args = pipe.recv()
            except EOFError:
                return
            pipe.send(function(*args))
