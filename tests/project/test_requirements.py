"""What is asked for (requirements*.in) and what is pinned (requirements*.txt, by `make requirements`) agree."""

import re
from pathlib import Path

import pytest

from testkit.template import ROOT

LAYER = ROOT / "layers/common/requirements.in"
IMPORTER = ROOT / "importer/requirements.in"
LISTS = [LAYER, IMPORTER, *sorted(ROOT.glob("requirements-*.in"))]
PIN = re.compile(r"^([a-z0-9-]+)(?:\[.*\])?==(\S+)((?:.*\\\n)*.*)", re.MULTILINE)
"""A name, its version, and all that follows on this line and on those it continues on."""


def asked_for(file: Path) -> set[str]:
    """Return the names that a list asks for by itself."""
    lines = file.read_text(encoding="utf-8").splitlines()
    names = (re.match(r"[A-Za-z0-9][A-Za-z0-9-]*", line) for line in lines)
    return {name[0].lower() for name in names if name}


def pinned(file: Path) -> dict[str, str]:
    """Return the version of each name that is pinned for a list."""
    text = file.with_suffix(".txt").read_text(encoding="utf-8")
    return {name: version for name, version, _ in PIN.findall(text)}


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.stem)
def test_what_is_asked_for_is_pinned_with_the_hashes_of_its_files(file: Path) -> None:
    text = file.with_suffix(".txt").read_text(encoding="utf-8")

    assert asked_for(file) <= set(pinned(file))
    assert [name for name, _, rest in PIN.findall(text) if "--hash=sha256:" not in rest] == []


@pytest.mark.parametrize("shipped", [LAYER, IMPORTER], ids=["layer", "importer"])
def test_a_laptop_uses_the_versions_that_are_shipped(shipped: Path) -> None:
    assert pinned(shipped).items() <= pinned(ROOT / "requirements-dev.in").items()


def test_the_layer_brings_no_boto3() -> None:
    """The runtime has it, and it is ten times as large as all the rest."""
    assert not {"boto3", "botocore"} & set(pinned(LAYER))
