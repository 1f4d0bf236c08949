"""The layer and functions that `sam build` makes, and a Python of the runtime's version to run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.servers.programs import only_one
from testkit.emulator import ROOT

RUNTIME = (3, 13)
"""The runtime in template.yaml. The layer's bytecode fits no other."""


class NotBuiltError(Exception):
    """The build failed; the message says why."""


def build(folder: Path) -> Path:
    """Build the tree as it is into a folder and return the folder. SAM's cache has what did not change.

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
    """Return a Python of the runtime's version that is in no virtual environment.

    Raises:
        NotBuiltError: This machine has none.
    """
    own = getattr(sys, "_base_executable", sys.executable)
    found = own if sys.version_info[:2] == RUNTIME else shutil.which("python{}.{}".format(*RUNTIME))
    if found is None:
        raise NotBuiltError("The layer's bytecode is for Python {}.{}, which is not here.".format(*RUNTIME))
    return str(found)


def without_bytecode(layer: Path, folder: Path) -> Path:
    """Copy a layer without its bytecode, and return the copy."""
    return Path(shutil.copytree(layer, folder, ignore=shutil.ignore_patterns("__pycache__")))
