"""What `sam build` makes of this tree."""

import subprocess
from pathlib import Path

import pytest

from local.programs import only_one
from tests.emulator import BUILD
from tests.template.parsed import ROOT

NO_PYTHON_FOR_THE_LAYER = "The layer's bytecode needs Python"


@pytest.fixture(scope="session")
def build() -> Path:
    """The built functions and layer; what has not changed since the last build comes from SAM's cache."""
    with only_one("build"):
        made = subprocess.run(["make", "build"], cwd=ROOT, capture_output=True, text=True, check=False)
    if NO_PYTHON_FOR_THE_LAYER in made.stderr:
        pytest.skip("no Python 3.13 here to compile the layer's bytecode with")
    assert made.returncode == 0, made.stderr
    return BUILD
