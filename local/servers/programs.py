"""Finds the programs of MySQL and Redis on this machine, and installs them if they are missing."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.servers.server import ServerError

STATE = Path(__file__).resolve().parents[2] / ".local"
# Searched after PATH: on Debian a plain user's PATH lacks sbin, and on a Mac only a login shell's has Homebrew.
BESIDE_PATH = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", str(STATE / "bin")]
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), *BESIDE_PATH])
# apt-get waits for another apt-get, such as the machine's daily one, instead of failing.
APT_OPTIONS = ("--yes", "--no-install-recommends", "--option", "DPkg::Lock::Timeout=120")


def say(message: str) -> None:
    """Print a message for the person at the terminal."""
    print(f"servers: {message}", file=sys.stderr, flush=True)


def find_program(*names: str) -> Path | None:
    """Return the first of these programs that is installed."""
    for name in names:
        found = shutil.which(name, path=SEARCH_PATH)
        if found is not None:
            return Path(found)
    return None


@contextmanager
def only_one(lock: str) -> Iterator[None]:
    """Hold a lock, so that only one process of this checkout does this work."""
    STATE.mkdir(exist_ok=True)
    with (STATE / f"{lock}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(apt: Sequence[Sequence[str]], brew: str) -> None:
    """Install packages with the system's package manager. In CI it never asks anything.

    Args:
        apt: Sets of Debian or Ubuntu packages; the first that the system knows is installed.
        brew: The Homebrew formula.
    Raises:
        ServerError: There is no package manager, or it failed.
    """
    if shutil.which("apt-get"):
        _apt_install(apt)
    elif shutil.which("brew"):
        say(f"installing {brew} with Homebrew")
        _run_logged(["brew", "install", brew])
    else:
        raise ServerError(f"Install {brew} or Docker, or set DB_HOST and REDIS_HOST to servers that run elsewhere.")


def _apt_install(choices: Sequence[Sequence[str]]) -> None:
    apt_get = [*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *APT_OPTIONS]
    packages = _known_to_apt(choices)
    if packages is None:
        _run_logged([*apt_get, "update"])
        packages = _known_to_apt(choices)
    if packages is None:
        raise ServerError(f"apt-get knows none of {', '.join(' '.join(choice) for choice in choices)}.")
    say(f"installing {' '.join(packages)} with apt-get")
    try:
        _run_logged([*apt_get, "install", *packages])
    except ServerError:
        # Old package lists may name files that the mirror no longer has.
        _run_logged([*apt_get, "update"])
        _run_logged([*apt_get, "install", *packages])


def _known_to_apt(choices: Sequence[Sequence[str]]) -> Sequence[str] | None:
    for packages in choices:
        shown = subprocess.run(["apt-cache", "show", *packages], capture_output=True, check=False)
        if shown.returncode == 0:
            return packages
    return None


def _as_root() -> list[str]:
    if os.geteuid() == 0:
        return []
    if sys.stdin.isatty() and not os.environ.get("CI"):
        say("sudo may ask for your password")
        return ["sudo"]
    return ["sudo", "-n"]  # nobody is there to type a password: fail rather than wait


def _run_logged(command: Sequence[str]) -> None:
    log = STATE / "packages.log"
    try:
        with log.open("ab") as output:
            status = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    except FileNotFoundError as exc:
        raise ServerError(f"`{' '.join(command)}` needs {command[0]}, which is not here: run it yourself.") from exc
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise ServerError(f"`{' '.join(command)}` failed:\n{tail}")
