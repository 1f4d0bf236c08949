"""Fixtures for the output of `sam build` and of SAM's transform."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.servers.programs import only_one
from testkit.template import ROOT
from tests.template.concrete import Concrete
from tests.template.scenarios import ALL, SCENARIOS

NO_PYTHON_FOR_THE_LAYER = "The layer's bytecode needs Python"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built functions and layer for arm64, made once for all processes of a test run."""
    return _built(tmp_path_factory, "arm64")


@pytest.fixture(scope="session")
def x86_64_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for x86_64."""
    return _built(tmp_path_factory, "x86_64")


Tool = Callable[[str, list[Any]], list[Any]]


@pytest.fixture(scope="session")
def sam_tool() -> Tool:
    """Calls tests/template/sam_tools.py, which needs the SAM CLI's packages, with a command and its input."""
    subprocess.run(["local/bootstrap.sh", "sam"], cwd=ROOT, check=True)

    def run(command: str, given: list[Any]) -> list[Any]:
        done = subprocess.run(
            [".local/sam/bin/python", "tests/template/sam_tools.py", command],
            cwd=ROOT,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return run


class Templates:
    """The template after SAM's transform, for the parameters of tests/template/scenarios.py."""

    def __init__(self, expanded: list[dict[str, Any]]) -> None:
        self._with_another_layer, *self._expanded = expanded

    def expanded(self, parameters: dict[str, str]) -> dict[str, Any]:
        return self._expanded[ALL.index(parameters)]

    def stack(self, parameters: dict[str, str]) -> Concrete:
        return Concrete(self.expanded(parameters), parameters)

    def stack_with_another_layer(self) -> Concrete:
        """A dev stack whose layer has changed, and nothing else."""
        return Concrete(self._with_another_layer, {})


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, sam_tool: Tool) -> Templates:
    """All templates, expanded once for all processes of a test run."""
    file = _shared(tmp_path_factory) / "expanded.json"
    with only_one("expanded"):
        if not file.exists():
            variants: list[dict[str, Any]] = [{"parameters": parameters} for parameters in ALL]
            unfinished = file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(sam_tool("expand", [{"parameters": {}, "layer": "another"}, *variants])))
            unfinished.rename(file)
    return Templates(json.loads(file.read_text()))


@pytest.fixture(scope="session")
def stacks(templates: Templates) -> dict[str, Concrete]:
    """The stack of each scenario."""
    return {name: templates.stack(parameters) for name, parameters in SCENARIOS.items()}


@pytest.fixture(params=SCENARIOS)
def stack(request: pytest.FixtureRequest, stacks: dict[str, Concrete]) -> Concrete:
    """One of the stacks. A test that uses this fixture runs for each of them."""
    return stacks[request.param]


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of a test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def _built(tmp_path_factory: pytest.TempPathFactory, architecture: str) -> Path:
    folder = _shared(tmp_path_factory) / f"built for {architecture}"
    with only_one("build"):
        if not (folder / "template.yaml").exists():  # the last thing that a build writes
            _build(folder, architecture)
    return folder


def _build(folder: Path, architecture: str) -> None:
    """Build. SAM's cache has what did not change since the last time."""
    subprocess.run(["local/bootstrap.sh", "sam"], cwd=ROOT, check=True)
    made = subprocess.run(
        [
            *(".local/sam/bin/sam", "build", "--build-dir", str(folder)),
            *("--parameter-overrides", f"Architecture={architecture}"),
        ],
        cwd=ROOT,
        env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if NO_PYTHON_FOR_THE_LAYER in made.stderr:
        pytest.skip("no Python 3.13 here to compile the layer's bytecode with")
    assert made.returncode == 0, made.stderr
