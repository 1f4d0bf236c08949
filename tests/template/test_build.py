"""`sam build` makes pure Python, complete, with bytecode that is valid in the runtime."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.template import ROOT, functions

MAX_LAYER_BYTES = 15_000_000
MAGIC_NUMBER = (3571).to_bytes(2, "little") + b"\r\n"
"""The first bytes of Python 3.13's bytecode."""
UNCHECKED_HASH = (0b01).to_bytes(4, "little")
"""PEP 552: the pyc is based on the source's hash, which is not checked on import."""


@pytest.fixture(scope="session")
def layer(build: Path) -> Path:
    return build / "CommonLayer/python"


def test_every_module_of_the_layer_comes_with_bytecode_for_the_runtime(layer: Path) -> None:
    sources = [file for file in layer.rglob("*.py") if file.stat().st_size]

    assert len(sources) > 100
    for source in sources:
        bytecode = (source.parent / f"__pycache__/{source.stem}.cpython-313.pyc").read_bytes()
        assert bytecode[:4] == MAGIC_NUMBER
        assert bytecode[4:8] == UNCHECKED_HASH
        assert bytecode[8:16] == importlib.util.source_hash(source.read_bytes())


def test_bytecode_of_other_versions_stays_out(layer: Path) -> None:
    assert {file.name.rpartition(".cpython-")[2] for file in layer.rglob("*.pyc")} == {"313.pyc"}


def test_the_layer_has_the_policies(layer: Path) -> None:
    folder = "lending/policies"
    files = {file.name: file.read_bytes() for file in (ROOT / "layers/common" / folder).glob("*.json")}

    assert files
    assert {file.name: file.read_bytes() for file in (layer / folder).glob("*")} == files


def test_the_layer_is_the_same_for_every_processor(layer: Path) -> None:
    assert [file for file in layer.rglob("*") if file.suffix in {".so", ".dylib", ".pyd"}] == []


def test_what_is_built_for_either_processor_is_the_same_byte_for_byte(build: Path, x86_64_build: Path) -> None:
    artefacts = ["CommonLayer", *functions()]

    assert [_contents(build / name) for name in artefacts] == [_contents(x86_64_build / name) for name in artefacts]


def test_the_migration_brings_every_file_of_the_schema(build: Path) -> None:
    migrations = sorted(file.name for file in (ROOT / "db").glob("*.sql"))

    assert migrations
    assert sorted(file.name for file in (build / "MigrateFunction/db").glob("*.sql")) == migrations


def test_the_layer_brings_every_certificate(build: Path) -> None:
    shipped = {file.name: file.read_text() for file in (build / "CommonLayer/certificates").iterdir()}

    assert shipped == {file.name: file.read_text() for file in (ROOT / "layers/common/certificates").glob("*.pem")}
    assert "rds-eu-west-1.pem" in shipped


def test_the_layer_holds_neither_boto3_nor_tests_nor_commands(layer: Path) -> None:
    names = {file.relative_to(layer).parts[0] for file in layer.rglob("*")}

    assert {"lending", "redis", "pymysql", "aws_lambda_powertools", "tzdata"} <= names
    assert not {"boto3", "botocore", "bin"} & names
    assert [folder for folder in layer.rglob("tests") if folder.is_dir()] == []


def test_the_pages_are_in_no_function_and_not_in_the_layer(build: Path) -> None:
    files = [file for file in build.rglob("*") if file.is_file()]

    assert len(files) > 100
    assert [file for file in files if {"pages", "jinja2", "markdown_it"} & set(file.relative_to(build).parts)] == []


def test_the_layer_is_small_enough(layer: Path) -> None:
    assert sum(file.stat().st_size for file in layer.rglob("*") if file.is_file()) < MAX_LAYER_BYTES


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_loads_with_the_layer_alone(name: str, build: Path, layer: Path) -> None:
    module = functions()[name]["Handler"].rpartition(".")[0]
    modules = "from lending.adapters import aws_secrets, mysql_loans, redis_scores; import zoneinfo, tzdata"

    # -S: without this environment's own packages, which would hide what the layer lacks. -B: the build stays as it is.
    loaded = subprocess.run(
        [sys.executable, "-S", "-B", "-c", f"import {module}; {modules}; print({module}.lambda_handler.__name__)"],
        cwd=build / name,
        env={"PYTHONPATH": str(layer)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert loaded.stdout == "lambda_handler\n", loaded.stderr


def _contents(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
