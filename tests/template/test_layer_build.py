"""The layer's build refuses a Python whose bytecode the runtime would ignore."""

import subprocess
import sys
from pathlib import Path

from testkit.template import ROOT


def make_layer(tmp_path: Path, python: Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "--makefile", "Makefile", "build-CommonLayer", f"LAYER_PYTHON={python}"]
    return subprocess.run(
        [*command, f"ARTIFACTS_DIR={tmp_path / 'artifacts'}"],
        cwd=ROOT / "layers/common",
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_python_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; sys.version_info = (3, 12); $2"\n')
    other.chmod(0o755)

    made = make_layer(tmp_path, other)

    assert made.returncode != 0
    assert "The layer's bytecode needs Python 3.13 with pip" in made.stderr
    assert not (tmp_path / "artifacts").exists()


def test_a_missing_python_is_refused_in_the_same_words(tmp_path: Path) -> None:
    made = make_layer(tmp_path, tmp_path / "none")

    assert made.returncode != 0
    assert "name it in LAYER_PYTHON" in made.stderr
