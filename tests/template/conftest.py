"""What `sam build` makes of this tree."""

import os
import subprocess
from pathlib import Path

import pytest

from local.programs import only_one
from tests.template.parsed import ROOT

NO_PYTHON_FOR_THE_LAYER = "The layer's bytecode needs Python"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built functions and layer, made once for all processes of a test run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "built"
    with only_one("build"):
        if not (folder / "template.yaml").exists():  # the last thing that a build writes
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    """Build; what has not changed since the last time comes from SAM's cache."""
    subprocess.run(["local/bootstrap.sh", "sam"], cwd=ROOT, check=True)
    made = subprocess.run(
        [".local/sam/bin/sam", "build", "--build-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if NO_PYTHON_FOR_THE_LAYER in made.stderr:
        pytest.skip("no Python 3.13 here to compile the layer's bytecode with")
    assert made.returncode == 0, made.stderr
