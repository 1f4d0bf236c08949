"""Runs a command for a person or for CI: signals reach it, and its exit status comes back."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from local.servers.server import ServerError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a shell answers for a command that a signal ended.
SIGNAL_STATUS = 128


class EndedBySignalError(Exception):
    """A signal asked this program to end before its command ran."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = SIGNAL_STATUS + number


@contextmanager
def signals_end_us() -> Iterator[None]:
    """Turn the first signal to end into an exception, so that what was started is stopped, and ignore any further."""

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
    """Tell whether the terminal sends Ctrl-C to us, and so to the child too: forwarded, it would arrive twice."""
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
    # What is ignored stays ignored: nohup asks for that.
    heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
