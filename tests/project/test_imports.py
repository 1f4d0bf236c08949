"""The import contracts of pyproject.toml notice who imports what it may not: `make check` runs them."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

from testkit.template import ROOT

LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))
DOWNWARDS = "The rooms of the repository import downwards"
LAYER = "The layer imports downwards, and its domain nothing"
ADAPTERS = "Within the layer only its wiring knows the adapters"
HANDLERS = "A handler reaches the rules through a use case"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of all that the contracts speak of."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    for package in settings["root_packages"]:
        inside = f"layers/common/{package}" if package == "lending" else package
        shutil.copytree(ROOT / inside, tmp_path / inside, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(tree: Path) -> list[str]:
    """Return the names of the contracts that a tree breaks."""
    # Before the editable install, which leads to the sound tree.
    environment = os.environ | {"PYTHONPATH": str(tree / "layers/common")}
    command = [LINT_IMPORTS, "--no-cache", "--no-logo"]
    linted = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    broken = [line.removesuffix(" BROKEN") for line in linted.stdout.splitlines() if line.endswith(" BROKEN")]
    assert (linted.returncode == 0) == (not broken), linted.stdout + linted.stderr
    return broken


def test_the_tree_breaks_no_contract(tree: Path) -> None:
    assert broken_contracts(tree) == []


@pytest.mark.parametrize(
    ("file", "imported", "contract"),
    [
        ("layers/common/lending/domain/pricing.py", "lending.adapters.breaker", LAYER),
        ("layers/common/lending/domain/pricing.py", "lending.errors", LAYER),
        ("layers/common/lending/use_cases/check_eligibility.py", "lending.adapters.breaker", LAYER),
        ("layers/common/lending/adapters/breaker.py", "lending.use_cases.cache_use", LAYER),
        ("layers/common/lending/errors.py", "lending.api", LAYER),
        ("layers/common/lending/api.py", "lending.adapters.breaker", ADAPTERS),
        ("functions/create_loan/app.py", "lending.adapters.breaker", ADAPTERS),
        ("functions/create_loan/app.py", "lending.domain.pricing", HANDLERS),
        ("layers/common/lending/config.py", "importer.rows", DOWNWARDS),
        ("importer/rows.py", "local.refresh", DOWNWARDS),
        ("importer/rows.py", "testkit.template", DOWNWARDS),
        ("local/refresh.py", "testkit.template", DOWNWARDS),
        ("testkit/template.py", "benchmarks.machine", DOWNWARDS),
        ("benchmarks/machine.py", "tests.money.wire", DOWNWARDS),
    ],
)
def test_an_import_against_the_order_is_noticed(tree: Path, file: str, imported: str, contract: str) -> None:
    with (tree / file).open("a", encoding="utf-8") as source:
        source.write(f"import {imported}\n")

    assert contract in broken_contracts(tree)


def test_a_module_without_a_place_in_the_order_is_noticed(tree: Path) -> None:
    (tree / "layers/common/lending/novelty.py").touch()

    assert broken_contracts(tree) == [LAYER]


@pytest.mark.parametrize("package", ["lending.domain", "lending.use_cases", "lending.ports", "lending.errors"])
def test_rules_and_ports_know_no_technology(package: str) -> None:
    """The contracts cannot say "the standard library": it is what Python says it is."""
    graph = grimp.build_graph("lending", include_external_packages=True, cache_dir=None)
    modules = {package} | graph.find_descendants(package)

    imported = {name for module in modules for name in graph.find_modules_directly_imported_by(module)}

    assert {name for name in imported if not name.startswith("lending")} <= sys.stdlib_module_names
