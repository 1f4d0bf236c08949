"""What `make check` lets in, and what it refuses by name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lending.adapters.policy_files import FOLDER, read_policy
from policies import gate
from policies.backtest import percent
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


def write_report(folder: Path, lost: int = 0, gained: int = 0, **fields: Any) -> None:
    hash_ = read_policy(folder / "next.json").policy.hash
    after = 1000 - lost + gained
    report = {
        "policy": hash_,
        "instead_of": POLICY.hash,
        "business_date": "2024-06-15",
        "applications_of": "the standard grid",
        "customers": 500,
        "applications": 2000,
        "approved": {"before": 1000, "after": after},
        "approvals_lost": lost,
        "approvals_gained": gained,
        "approvals_lost_pct": percent(lost, 1000),
        "approvals_gained_pct": percent(gained, 1000),
        "slabs": {
            "before": {"100-0": {"approved": 1000, "declined": 1000}},
            "after": {"100-0": {"approved": after, "declined": 2000 - after}},
        },
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
        ({"lost": 50}, ""),
        ({"lost": 51}, "next.json: loses 51 of 1000 approvals, more than the 5 % of its bounds"),
        ({"gained": 51}, "next.json: gains 51 of 1000 approvals, more than the 5 % of its bounds"),
        ({"instead_of": "x"}, "next.json: its report is of"),
        ({"policy": "x"}, "next.json: its report is of x"),
        ({"policy": ["x"]}, "next.json: its report is of ['x']"),
    ],
)
def test_a_policy_keeps_within_the_bounds_that_it_states(folder: Path, changed: dict[str, Any], objection: str) -> None:
    write_report(folder, **changed)

    assert [each[: len(objection)] for each in refused(folder)] == ([objection] if objection else [])


@pytest.mark.parametrize(
    ("changed", "objection"),
    [
        ({"approvals_lost": 1}, "contradicts itself: 1000 approvals, 1 lost and 0 gained are not 1000"),
        ({"lost": 400, "approvals_lost": 0}, "contradicts itself: 1000 approvals, 0 lost and 0 gained are not 600"),
        ({"approvals_lost": 2000, "approvals_gained": 2000}, "contradicts itself: 1000 approvals, 2000 lost"),
        ({"approvals_lost_pct": "40.00"}, "contradicts itself: approvals_lost_pct is 40.00, 0 of 1000 is 0.00"),
        ({"approvals_gained_pct": 0}, "contradicts itself: approvals_gained_pct is 0, 0 of 1000 is 0.00"),
        ({"approvals_lost": -5}, "contradicts itself: -5 is no count"),
        ({"approvals_lost": 0.0}, "contradicts itself: 0.0 is no count"),
        ({"approvals_lost": "0"}, "contradicts itself: '0' is no count"),
        ({"approvals_lost": False}, "contradicts itself: False is no count"),
        ({"approvals_lost": float("inf")}, "contradicts itself: inf is no count"),
        ({"approved": {"before": 0, "after": 0}}, "contradicts itself: nobody was approved before"),
        ({"approved": {"before": 10**9, "after": 10**9}}, "contradicts itself: its slabs before add up to 1000"),
        ({"applications": 9}, "contradicts itself: its slabs before add up to 1000 approved and 1000 declined"),
        ({"slabs": []}, "cannot be read: AttributeError"),
        ({"approved": None}, "cannot be read: TypeError"),
        ({"business_date": "yesterday"}, "cannot be read: ValueError"),
    ],
)
def test_a_report_that_does_not_agree_with_itself_is_refused(
    folder: Path, changed: dict[str, Any], objection: str
) -> None:
    write_report(folder, **changed)

    (found,) = refused(folder)
    assert found.partition(".json ")[2].startswith(objection)


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, '{"policy": 1, "policy": 2}', '{"approved": {"before": 1e400}}']
)
def test_a_report_that_is_none_is_refused(folder: Path, text: str) -> None:
    write_report(folder)
    (report,) = (folder / "reports").iterdir()
    report.write_text(text)

    (found,) = refused(folder)
    assert found.startswith("next.json: its report ")


@pytest.mark.parametrize("name", ["applications_of", "customers", "applications", "business_date"])
def test_a_report_says_on_what_it_was_made(folder: Path, name: str) -> None:
    write_report(folder)
    (path,) = (folder / "reports").iterdir()
    report = json.loads(path.read_text())
    del report[name]
    path.write_text(json.dumps(report))

    (found,) = refused(folder)
    assert f"cannot be read: KeyError: '{name}'" in found


def test_what_a_report_was_made_on_is_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(folder, lost=50)
    monkeypatch.setattr(gate, "FOLDER", folder)
    monkeypatch.setattr(gate, "REPORTS", folder / "reports")

    assert gate.main() == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "policies: next.json: tried on 500 customers, 2000 applications of the standard grid, as of 2024-06-15: "
        "50 of 1000 approvals lost (5.00 %), 0 gained (0.00 %)"
    )


def test_a_policy_that_cannot_be_read_is_refused(folder: Path) -> None:
    write_policy(folder, "[" * 100_000)

    assert len(refused(folder)) == 1


def test_a_policy_that_makes_no_sense_is_refused_before_any_report_is_read(folder: Path) -> None:
    write_report(folder)
    write_policy(folder, document(bounds=BOUNDS, salary_share=101))

    assert refused(folder) == ["next.json: salary_share must be a number from 0 to 100, not 101"]


def test_no_clock_is_asked(folder: Path) -> None:
    write_policy(folder, document(0, 13, begins="2001-01-01"))
    write_report(folder)

    assert refused(folder) == []
    assert FOLDER.is_dir()
