"""Lets policies in: `python -m policies.gate`, a step of `make check`, refuses one by name and says why.

A policy must make sense, and have the report of its back-test (`make backtest`): of exactly its hash, against the one
that it follows, and within the bounds that it states. The report's own figures must agree, and what it was made on is
printed: whether that was the book is for people to see. No clock is asked: what passed passes for as long as it is
unchanged.
"""

import json
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from lending.adapters.policy_files import FOLDER, InvalidPolicyError, PolicyFile, read_policies
from policies.applications import unique_names
from policies.backtest import REPORTS, percent

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a file can raise that somebody made up."""


class Told(NamedTuple):
    """What a report says that counts here."""

    policy: str
    instead_of: str
    before: int
    lost: int
    gained: int
    made_on: str


class ReportError(Exception):
    """A report contradicts itself; the message says where."""


def objections(folder: Path, reports: Path) -> list[str]:
    """Return what there is against the policies in a folder."""
    return _examined(folder, reports)[0]


def _examined(folder: Path, reports: Path) -> tuple[list[str], list[str]]:
    """Return what there is against the policies in a folder, and on what those were tried that have a report."""
    try:
        files = read_policies(folder)
    except InvalidPolicyError as exc:
        return [str(exc)], []
    except UNREADABLE as exc:
        return [f"a policy cannot be read: {type(exc).__name__}: {exc}"], []
    found, tried = [], []
    for before, file in pairwise(files):
        path = reports / f"{file.policy.hash}.json"
        try:
            told = _told(path)
        except FileNotFoundError:
            found.append(
                f"{file.name}: there is no report of its back-test: make backtest POLICY={file.name} makes {path.name}"
            )
        except ReportError as exc:
            found.append(f"{file.name}: its report {path.name} contradicts itself: {exc}")
        except (OSError, *UNREADABLE) as exc:
            found.append(f"{file.name}: its report {path.name} cannot be read: {type(exc).__name__}: {exc}")
        else:
            found += [f"{file.name}: {objection}" for objection in _objections(before, file, told)]
            tried.append(f"{file.name}: tried on {told.made_on}")
    return found, tried


def _told(path: Path) -> Told:
    report = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_names)
    approved = report["approved"]
    before, after = _count(approved["before"]), _count(approved["after"])
    lost, gained = _count(report["approvals_lost"]), _count(report["approvals_gained"])
    if before == 0:
        raise ReportError("nobody was approved before, so no share of it can be told")
    if lost > before or after != before - lost + gained:
        raise ReportError(f"{before} approvals, {lost} lost and {gained} gained are not {after}")
    for name, count in (("approvals_lost_pct", lost), ("approvals_gained_pct", gained)):
        if report[name] != percent(count, before):
            raise ReportError(f"{name} is {report[name]}, {count} of {before} is {percent(count, before)}")
    customers, applications = _count(report["customers"]), _count(report["applications"])
    for side, slabs in report.get("slabs", {}).items():
        sums = [sum(_count(slab[outcome]) for slab in slabs.values()) for outcome in ("approved", "declined")]
        if sums != [approved[side], applications - approved[side]]:
            raise ReportError(f"its slabs {side} add up to {sums[0]} approved and {sums[1]} declined")
    made_on = (
        f"{customers} customers, {applications} applications of {report['applications_of']}, "
        f"as of {date.fromisoformat(report['business_date'])}: "
        f"{lost} of {before} approvals lost ({report['approvals_lost_pct']} %), "
        f"{gained} gained ({report['approvals_gained_pct']} %)"
    )
    return Told(report["policy"], report["instead_of"], before, lost, gained, made_on)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ReportError(f"{value!r} is no count")
    return value


def _objections(before: PolicyFile, file: PolicyFile, told: Told) -> list[str]:
    hashes = file.policy.hash, before.policy.hash
    if told[:2] != hashes:
        return [
            f"its report is of {told.policy} instead of {told.instead_of}, not of {hashes[0]} instead of {hashes[1]}"
        ]
    assert file.bounds is not None  # noqa: S101 - all but the first state them
    return [
        f"{change} {count} of {told.before} approvals, more than the {most} % of its bounds"
        for change, count, most in (
            ("loses", told.lost, file.bounds.most_approvals_lost),
            ("gains", told.gained, file.bounds.most_approvals_gained),
        )
        if 100 * count > most * told.before
    ]


def main() -> int:
    """Check the policies of this release; return the exit status."""
    found, tried = _examined(FOLDER, REPORTS)
    for line in tried:
        print(f"policies: {line}")
    for objection in found:
        print(f"policies: {objection}", file=sys.stderr)
    if not found:
        print("policies: each makes sense and keeps within its bounds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
