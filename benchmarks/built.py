"""The layer and the functions as `sam build` leaves them, and the Python of the runtime to run them with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.servers.programs import only_one
from testkit.emulator import ROOT

RUNTIME = (3, 13)
"""Of the functions in template.yaml; the layer's bytecode is for no other."""


class NotBuiltError(Exception):
    """There is no build to measure; the message says why."""


def build(folder: Path) -> Path:
    """Build the tree as it is into a folder and return the folder; what has not changed comes from SAM's cache.

    Raises:
        NotBuiltError: The build fails.
    """
    with only_one("build"):
        subprocess.run(["local/bootstrap.sh", "sam"], cwd=ROOT, check=True, stdout=sys.stderr)
        made = subprocess.run(
            [".local/sam/bin/sam", "build", "--build-dir", str(folder)],
            cwd=ROOT,
            env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode != 0:
        raise NotBuiltError(f"`sam build` failed:\n{made.stderr[-2000:]}")
    return folder


def runtime_python() -> str:
    """Return a Python of the runtime's version, outside of any virtual environment.

    Raises:
        NotBuiltError: There is none here.
    """
    own = getattr(sys, "_base_executable", sys.executable)
    found = own if sys.version_info[:2] == RUNTIME else shutil.which("python{}.{}".format(*RUNTIME))
    if found is None:
        raise NotBuiltError("The layer's bytecode is for Python {}.{}, which is not here.".format(*RUNTIME))
    return str(found)


def without_bytecode(layer: Path, folder: Path) -> Path:
    """Copy a layer, leave its bytecode out, and return the copy."""
    return Path(shutil.copytree(layer, folder, ignore=shutil.ignore_patterns("__pycache__")))
