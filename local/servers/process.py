"""A server as a process of this machine. A later command can find and stop it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

# InnoDB writes its pages back when it stops. A server that needs longer is stuck.
STOP_TIMEOUT_SECONDS = 20
LOG_TAIL_LINES = 15
# Somebody may set the system's clock between two readings of a process's start time.
CLOCK_TOLERANCE_SECONDS = 2


class LocalProcess:
    """A process with its data, log and record in one folder."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """Describe the process; start() starts it.

        Args:
            command: Program and arguments.
            folder: Where its log and record lie, and its working folder.
        """
        self._command = list(command)
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and record who it is."""
        with self._log.open("ab") as log:
            # Its own session, because Ctrl-C at the terminal is meant for the command that uses the server.
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        created = psutil.Process(self._process.pid).create_time()
        _record_file(self._folder).write_text(json.dumps({"pid": self._process.pid, "created": created}))

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and wait until it has."""
        if self._process is not None:
            stop_recorded(self._folder)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it without notice (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            _record_file(self._folder).unlink(missing_ok=True)

    def pause(self) -> None:
        """Freeze it (SIGSTOP), and wait until its last thread has stopped."""
        os.waitpid(self._signal(signal.SIGSTOP), os.WUNTRACED)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it; the folder is its owner's to remove."""
        self.stop()

    def running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _signal(self, number: signal.Signals) -> int:
        if self._process is None:
            raise RuntimeError("The server does not run.")
        self._process.send_signal(number)
        return self._process.pid


def find_process(pid: int, created: float) -> psutil.Process | None:
    """Return the process with this id and start time, unless it has ended: its id may be another's by now."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < CLOCK_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return None
    return process if same and not _has_ended(process) else None


def recorded_process(folder: Path) -> psutil.Process | None:
    """Return the process that `folder` records, unless it has ended."""
    try:
        record = json.loads(_record_file(folder).read_text())
    except FileNotFoundError:
        return None
    return find_process(record["pid"], record["created"])


def stop_recorded(folder: Path) -> None:
    """Stop the process that `folder` records, whoever started it."""
    process = recorded_process(folder)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            process.resume()  # a frozen process hears SIGTERM only once it goes on
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            while not _has_ended(process):
                if time.monotonic() > deadline:
                    process.kill()
                time.sleep(0.01)
    _record_file(folder).unlink(missing_ok=True)


def _has_ended(process: psutil.Process) -> bool:
    # A zombie has ended and released everything, even if its parent has not looked yet.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _record_file(folder: Path) -> Path:
    return folder / "process.json"
