"""The tools that `make check` runs on the workflows notice what is wrong with one, without a network."""

import subprocess
import sys
from pathlib import Path

import pytest

from testkit.template import ROOT

BIN = Path(sys.executable).parent
WORKFLOW = ".github/workflows/ci.yml"
SCHEMA = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
TIMEOUTS = ["check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout"]
HABITS = ["zizmor", "--offline", "--persona", "pedantic"]


def finds_nothing(command: list[str], file: Path) -> bool:
    program, *options = command
    run = subprocess.run([BIN / program, *options, file], capture_output=True, text=True, check=False)
    assert "Traceback" not in run.stderr
    return run.returncode == 0


@pytest.mark.parametrize(
    ("command", "text", "instead"),
    [
        (SCHEMA, "runs-on:", "runs_on:"),
        (SCHEMA, "contents: read", "contents: all"),
        (TIMEOUTS, "    timeout-minutes: 60\n", ""),
        (HABITS, "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "actions/checkout@v6"),
        (HABITS, "        with:\n          persist-credentials: false\n", ""),
        (HABITS, "permissions: {}", "permissions: write-all"),
        (HABITS, "  pull_request:", "  pull_request_target:"),
        (HABITS, "run: make unit", "run: echo ${{ github.event.pull_request.title }}"),
    ],
)
def test_what_is_wrong_with_a_workflow_is_noticed(tmp_path: Path, command: list[str], text: str, instead: str) -> None:
    workflow = tmp_path / WORKFLOW
    workflow.parent.mkdir(parents=True)
    sound = (ROOT / WORKFLOW).read_text(encoding="utf-8")
    assert text in sound

    workflow.write_text(sound, encoding="utf-8")
    assert finds_nothing(command, workflow)

    workflow.write_text(sound.replace(text, instead), encoding="utf-8")
    assert not finds_nothing(command, workflow)
