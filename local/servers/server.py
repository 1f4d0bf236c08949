"""A private server on the loopback interface. Tests may stop, kill, freeze and start it again."""

import random
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol, Self

HOST = "127.0.0.1"
# The first start in a container initialises a database. Other starts take a second or two.
READY_TIMEOUT_SECONDS = 90
# Below the range of outgoing connections, so that none of them takes our port while a server is down.
PORTS = range(20_000, 32_000)
START_ATTEMPTS = 3


class ServerError(Exception):
    """A server cannot be had; the message says why and what to do."""


class Runner(Protocol):
    """Runs a server, as a process of this machine or in a container."""

    def start(self) -> None:
        """Start it, or start it again with the data it had."""

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""

    def kill(self) -> None:
        """End it without notice, as a power cut would."""

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""

    def resume(self) -> None:
        """Let it go on after pause()."""

    def remove(self) -> None:
        """End it for good."""

    def running(self) -> bool:
        """Tell whether it runs, frozen or not."""

    def log_tail(self) -> str:
        """Return the end of its log, for an error message."""


class Server:
    """A server that accepts connections from its start until stop(), kill() or the end of a `with` block."""

    def __init__(
        self, name: str, runner: Runner, *, port: int, environment: Mapping[str, str], answers: Callable[[], bool]
    ) -> None:
        """Describe a server; start() starts it.

        Args:
            name: What people call it, for messages.
            runner: What it runs in.
            port: The TCP port on 127.0.0.1 where it listens.
            environment: DB_* or REDIS_* variables by which the application finds it.
            answers: Tells whether it accepts connections, and is really this server.
        """
        self.name = name
        self.host = HOST
        self.port = port
        self.environment = dict(environment)
        self._runner = runner
        self._answers = answers

    def start(self) -> None:
        """Start on the same port and data as before, and return once connections are accepted."""
        self._runner.start()
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not self._answers():
            if not self._runner.running():
                raise ServerError(f"{self.name} ended at its start. {self._end_of_log()}")
            if time.monotonic() > deadline:
                self._runner.kill()
                raise ServerError(f"{self.name} accepts no connections. {self._end_of_log()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop in good order; start() brings it back."""
        self._runner.stop()

    def kill(self) -> None:
        """End it without notice (SIGKILL); start() brings it back."""
        self._runner.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        self._runner.pause()

    def resume(self) -> None:
        """Let it go on after pause()."""
        self._runner.resume()

    def close(self) -> None:
        """Stop for good."""
        self._runner.remove()

    def _end_of_log(self) -> str:
        return f"Its log closes with:\n{self._runner.log_tail()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_on(port: int | None, make: Callable[[int], Server]) -> Server:
    """Return the started server that `make` makes for a port.

    Args:
        port: The port it must have; None takes a free one, and another one if a stranger was faster.
        make: Makes the server for a port.
    """
    if port is not None:
        return _started(make(port))
    for _ in range(START_ATTEMPTS - 1):
        server = make(free_port())
        try:
            return _started(server)
        except ServerError:
            if not accepts_connections(HOST, server.port):
                raise
    return _started(make(free_port()))


def _started(server: Server) -> Server:
    with ExitStack() as if_it_fails:
        if_it_fails.callback(server.close)
        server.start()
        if_it_fails.pop_all()
    return server


def accepts_connections(host: str, port: int) -> bool:
    """Tell whether anything listens there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a port that nobody has, as far as one can know."""
    for port in random.sample(PORTS, k=100):
        with socket.socket() as candidate:
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerError(f"No port between {PORTS.start} and {PORTS.stop} is free on {HOST}.")
