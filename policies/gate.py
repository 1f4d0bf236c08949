"""Lets policies in: `python -m policies.gate`, a step of `make check`, refuses one by name and says why.

A policy must make sense, and have the report of its back-test (`make backtest`): of exactly its hash, against the one
that it follows, and within the bounds that it states. No clock is asked: what passed passes for as long as it is
unchanged.
"""

import json
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from lending.adapters.policy_files import FOLDER, InvalidPolicyError, PolicyFile, read_policies
from policies.backtest import REPORTS


def objections(folder: Path, reports: Path) -> list[str]:
    """Return what there is against the policies in a folder."""
    try:
        files = read_policies(folder)
    except InvalidPolicyError as exc:
        return [str(exc)]
    return [
        f"{file.name}: {objection}"
        for before, file in pairwise(files)
        for objection in _objections(before, file, reports)
    ]


def _objections(before: PolicyFile, file: PolicyFile, reports: Path) -> list[str]:
    hash_ = file.policy.hash
    path = reports / f"{hash_}.json"
    if not path.is_file():
        return [f"there is no report of its back-test: make backtest POLICY={file.name} makes {path.name}"]
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        told = (report["policy"], report["instead_of"])
        approved, lost, gained = (
            int(count) for count in (report["approved"]["before"], report["approvals_lost"], report["approvals_gained"])
        )
    except (OSError, ValueError, LookupError, TypeError) as exc:
        return [f"its report {path.name} cannot be read: {type(exc).__name__}: {exc}"]
    if told != (hash_, before.policy.hash):
        return [f"its report is of {told[0]} instead of {told[1]}, not of {hash_} instead of {before.policy.hash}"]
    assert file.bounds is not None  # noqa: S101 - all but the first state them
    return [
        f"{change} {count} of {approved} approvals, more than the {most} % of its bounds"
        for change, count, most in (
            ("loses", lost, file.bounds.most_approvals_lost),
            ("gains", gained, file.bounds.most_approvals_gained),
        )
        if 100 * count > most * Decimal(approved)
    ]


def main() -> int:
    """Check the policies of this release; return the exit status."""
    found = objections(FOLDER, REPORTS)
    for objection in found:
        print(f"policies: {objection}", file=sys.stderr)
    if not found:
        print("policies: each makes sense and keeps within its bounds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
