"""What `make check` lets in, and what it refuses by name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lending.adapters.policy_files import FOLDER, read_policy
from policies.gate import objections
from testkit.fakes import POLICY
from testkit.policies import BOUNDS, FIRST, document, write_policy
from testkit.template import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The first policy, and one that is to follow it."""
    write_policy(tmp_path, FIRST, "first.json")
    write_policy(tmp_path, document(0, 13))
    return tmp_path


def write_report(folder: Path, **fields: Any) -> None:
    hash_ = read_policy(folder / "next.json").policy.hash
    report = {
        "policy": hash_,
        "instead_of": POLICY.hash,
        "approved": {"before": 1000},
        "approvals_lost": 0,
        "approvals_gained": 0,
    }
    (folder / "reports").mkdir(exist_ok=True)
    (folder / f"reports/{hash_}.json").write_text(json.dumps(report | fields))


def refused(folder: Path) -> list[str]:
    return objections(folder, folder / "reports")


def test_the_policies_of_this_release_are_let_in() -> None:
    done = subprocess.run([sys.executable, "-m", "policies.gate"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "policies: each makes sense and keeps within its bounds\n"


def test_a_policy_without_a_report_of_exactly_its_hash_is_refused(folder: Path) -> None:
    (before,) = refused(folder)
    write_report(folder)
    with_report = refused(folder)
    write_policy(folder, document(0, 13.01))
    (edited,) = refused(folder)

    assert before.startswith("next.json: there is no report of its back-test")
    assert with_report == []
    assert edited.startswith("next.json: there is no report of its back-test")


@pytest.mark.parametrize(
    ("changed", "objection"),
    [
        ({"approvals_lost": 50}, ""),
        ({"approvals_lost": 51}, "next.json: loses 51 of 1000 approvals, more than the 5 % of its bounds"),
        ({"approvals_gained": 51}, "next.json: gains 51 of 1000 approvals, more than the 5 % of its bounds"),
        ({"approved": {"before": 0}, "approvals_gained": 1}, "next.json: gains 1 of 0 approvals"),
        ({"instead_of": "x"}, "next.json: its report is of"),
        ({"policy": "x"}, "next.json: its report is of x"),
        ({"approved": None}, "next.json: its report"),
    ],
)
def test_a_policy_keeps_within_the_bounds_that_it_states(folder: Path, changed: dict[str, Any], objection: str) -> None:
    write_report(folder, **changed)

    assert [each[: len(objection)] for each in refused(folder)] == ([objection] if objection else [])


def test_a_policy_that_makes_no_sense_is_refused_before_any_report_is_read(folder: Path) -> None:
    write_report(folder)
    write_policy(folder, document(bounds=BOUNDS, salary_share=101))

    assert refused(folder) == ["next.json: salary_share must be a number from 0 to 100, not 101"]


def test_no_clock_is_asked(folder: Path) -> None:
    write_policy(folder, document(0, 13, begins="2001-01-01"))
    write_report(folder)

    assert refused(folder) == []
    assert FOLDER.is_dir()
