"""Runs a command for a person or for CI, forwards signals to it and returns its exit status."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from local.servers.server import ServerError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A shell reports a command that signal n ended as status 128 + n.
SIGNAL_STATUS = 128


class EndedBySignalError(Exception):
    """A signal asked this program to end before its command ran."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = SIGNAL_STATUS + number


@contextmanager
def signals_end_us() -> Iterator[None]:
    """Turn the first signal to end into an exception, so that servers are stopped, and ignore later ones."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        for further in ENDING:
            signal.signal(further, signal.SIG_IGN)
        raise EndedBySignalError(number)

    with _handler(end):
        yield


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end and return its exit status, 128 + n when signal n ended it."""
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        elif number != signal.SIGINT or not _in_foreground():
            child.send_signal(number)

    with _handler(forward):
        try:
            child = subprocess.Popen(command, env=environment)
        except OSError as exc:
            raise ServerError(f"Cannot run {command[0]}: {exc.strerror}.") from exc
        for number in early:
            child.send_signal(number)
        status = child.wait()
    return status if status >= 0 else SIGNAL_STATUS - status


def _in_foreground() -> bool:
    """Tell whether the terminal sends Ctrl-C to us. Then it reaches the child too, and forwarding would repeat it."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


@contextmanager
def _handler(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # A signal that is ignored stays ignored, as nohup wants it.
    heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
