"""A server in a container, for machines that have Docker but not the program. Its data ends with the container."""

import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.servers.programs import say
from local.servers.server import HOST, ServerError

STOP_TIMEOUT_SECONDS = 20
LOG_TAIL_LINES = 15


@functools.cache
def engine_answers() -> bool:
    """Tell whether Docker is installed and its engine runs."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


class Container:
    """A container with one port published on 127.0.0.1."""

    def __init__(
        self,
        image: str,
        folder: Path,
        port: int,
        container_port: int,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        """Describe the container; start() makes it.

        Args:
            image: The image's name, pulled if missing.
            folder: Where its name is recorded, so that a later command finds it.
            port: The port on 127.0.0.1.
            container_port: The port inside.
            environment: Variables inside.
            arguments: The words after the image's name.
        """
        self._name = f"lending-{image.partition(':')[0].rpartition('/')[2]}-{secrets.token_hex(6)}"
        self._folder = folder
        self._image = image
        self._publish = f"{HOST}:{port}:{container_port}"
        self._environment = dict(environment or {})
        self._arguments = list(arguments)
        self._made = False

    def start(self) -> None:
        """Make the container, or start it again with its data."""
        if self._made:
            _docker("start", self._name)
            return
        say(f"starting a container of {self._image}, pulled the first time")
        # Only the names: the values, one of which is a password, stay out of the process list.
        names = [word for name in self._environment for word in ("--env", name)]
        _record_file(self._folder, self._name).touch()
        _docker(
            *("run", "--detach", "--name", self._name, "--publish", self._publish, *names, self._image),
            *self._arguments,
            environment=self._environment,
        )
        self._made = True

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        _docker("stop", "-t", str(STOP_TIMEOUT_SECONDS), self._name)

    def kill(self) -> None:
        """End it without notice."""
        _docker("kill", self._name)

    def pause(self) -> None:
        """Freeze it."""
        _docker("pause", self._name)

    def resume(self) -> None:
        """Let it go on."""
        _docker("unpause", self._name)

    def remove(self) -> None:
        """Remove it with its data."""
        _remove(_record_file(self._folder, self._name))

    def running(self) -> bool:
        """Tell whether it runs."""
        return _is_running(self._name)

    def log_tail(self) -> str:
        """Return the last lines that it printed."""
        logs = subprocess.run(
            ["docker", "logs", "--tail", str(LOG_TAIL_LINES), self._name], capture_output=True, text=True, check=False
        )
        return logs.stdout + logs.stderr


def recorded_is_running(folder: Path) -> bool:
    """Tell whether a container that `folder` records runs."""
    return any(_is_running(record.stem) for record in _records(folder))


def remove_recorded(folder: Path) -> None:
    """Remove the containers that `folder` records, whoever made them."""
    for record in _records(folder):
        _remove(record)


def _record_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.container"


def _records(folder: Path) -> list[Path]:
    return list(folder.glob("*.container"))


def _remove(record: Path) -> None:
    # The container does not exist if its image could not be pulled. Then there is nothing to remove.
    subprocess.run(["docker", "rm", "--force", "--volumes", record.stem], capture_output=True, check=False)
    record.unlink(missing_ok=True)


def _is_running(name: str) -> bool:
    shown = subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Running}}", name], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() == "true"


def _docker(*arguments: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        ["docker", *arguments], env=os.environ | dict(environment or {}), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ServerError(f"`docker {arguments[0]}` failed: {done.stderr.strip()}")
