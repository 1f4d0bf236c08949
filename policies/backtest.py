"""Tries a policy on the book: `python -m policies.backtest FILE` decides under the policy that it follows and under it.

Every customer of the configured database is decided on a grid of applications, or the applications of a file are, all
as of one moment. The report is for `make check`, which lets no policy in without it, and for people. Who would be
decided otherwise is listed in a file of its own: it names customers.
"""

import argparse
import csv
import json
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pymysql

from lending import wiring
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import why_none
from lending.adapters.policy_files import FOLDER, InvalidPolicyError, PolicyFile, in_order, read_policies, read_policy
from lending.config import InvalidSettingError
from lending.domain.loans import LoanApplication
from policies.applications import ApplicationFileError, read_applications
from policies.page import page
from policies.snapshot import Row, Snapshot, snapshot
from policies.tally import SIDES, Flip, Tally, Terms, tally_of

REPORTS = Path(__file__).with_name("reports")
FLIPS = Path(".local/backtest")
PIECE = 2000
"""Customers or applications decided at once: what is in memory is a few pieces for each process."""

Piece = tuple[list[Row], dict[int, list[LoanApplication]] | None]
"""Customers, and what each asks for; None: the grid."""


class BacktestError(Exception):
    """There is nothing to try; the message says why."""


def pieces_of_grid(book: Snapshot) -> Iterator[Piece]:
    """Yield all customers."""
    for customer_ids in book.customers(PIECE):
        yield book.records(customer_ids), None


def pieces_of_file(book: Snapshot, path: Path) -> Iterator[Piece]:
    """Yield the applications of a file with their customers; those of customers who are not in the book are none."""
    applications = read_applications(path)
    while piece := list(islice(applications, PIECE)):
        asked: dict[int, list[LoanApplication]] = {}
        for application in piece:
            asked.setdefault(application.customer_id, []).append(application)
        yield book.records(list(asked)), asked


def tallies(pieces: Iterator[Piece], terms: Terms, processes: int) -> Iterator[Tally]:
    """Yield the tally of each piece in turn, decided by several processes."""
    # Spawned: a forked process would share the connection to the database.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting: deque[Future[Tally]] = deque()
        for piece in pieces:
            waiting.append(pool.submit(tally_of, *piece, terms))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def backtest(terms: Terms, flips: Path, applications: Path | None = None, processes: int | None = None) -> Tally:
    """Return what two policies make of the book, and write who is decided otherwise into a file.

    Raises:
        ApplicationFileError: The file of applications is not fit.
        pymysql.MySQLError: The database is away or fails.
    """
    total = Tally()
    flips.parent.mkdir(parents=True, exist_ok=True)
    with snapshot(wiring.settings(), terms.today) as book, flips.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(Flip._fields)
        pieces = pieces_of_grid(book) if applications is None else pieces_of_file(book, applications)
        for tally in tallies(pieces, terms, processes or os.cpu_count() or 1):
            total.merge(tally)
            rows.writerows(tally.flips)
    return total


def report(tally: Tally, terms: Terms, asked: str) -> dict[str, Any]:
    """Return what is said of a back-test: counts, sums and means, and nobody's name."""
    approved = {side: _sum(tally.slabs, side, approved=True) for side in SIDES}
    both = sum(tally.rates.values())
    slabs = {side: sorted({name for at, name, _ in tally.slabs if at == side}, key=_highest_first) for side in SIDES}
    return {
        "policy": terms.after.hash,
        "effective_from": str(terms.after.effective_from),
        "instead_of": terms.before.hash,
        "business_date": str(terms.today),
        "applications_of": asked,
        "customers": tally.customers,
        "applications": tally.applications,
        "approved": approved,
        "approvals_lost": tally.lost,
        "approvals_gained": tally.gained,
        "approvals_lost_pct": percent(tally.lost, approved["before"]),
        "approvals_gained_pct": percent(tally.gained, approved["before"]),
        "rates_of_those_approved_by_both": {
            **{change: tally.rates[change] for change in ("higher", "same", "lower")},
            **{f"mean_{side}": _mean(tally.rate_sums[side], both) for side in SIDES},
        },
        "mean_highest_loan_amount": {side: _mean(tally.amounts[side], tally.applications) for side in SIDES},
        "reasons": {
            side: {reason: count for (at, reason), count in sorted(tally.reasons.items()) if at == side}
            for side in SIDES
        },
        "slabs": {
            side: {
                name: {"approved": tally.slabs[side, name, True], "declined": tally.slabs[side, name, False]}
                for name in slabs[side]
            }
            for side in SIDES
        },
        "scores": [[before, after, customers] for (before, after), customers in sorted(tally.scores.items())],
    }


def percent(part: int, whole: int) -> str:
    """Return a share in percent with two decimals, rounded up: what is over a bound never looks as if it were not."""
    if whole == 0:
        return "0.00" if part == 0 else "Infinity"
    return f"{Decimal(-(-10_000 * part // whole)).scaleb(-2):.2f}"


def _sum(slabs: "dict[tuple[str, str, bool], int]", side: str, *, approved: bool) -> int:
    return sum(count for (at, _, is_approved), count in slabs.items() if at == side and is_approved == approved)


def _mean(total: Decimal, count: int) -> str:
    return str((total / count).quantize(Decimal("0.01"))) if count else "0.00"


def _highest_first(name: str) -> int:
    return -int(name.partition("-")[0])


def predecessor(file: PolicyFile) -> PolicyFile:
    """Return the policy of the release that a policy would follow, whether or not it is in the release itself.

    Raises:
        InvalidPolicyError: It begins on the day of another.
        BacktestError: It would be the first.
    """
    others = [other for other in read_policies(FOLDER) if other.policy.hash != file.policy.hash]
    ordered = in_order([*others, file])
    place = [other.policy.hash for other in ordered].index(file.policy.hash)
    if place == 0:
        raise BacktestError(f"{file.name} begins before all other policies: there is none that it follows")
    return ordered[place - 1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m policies.backtest", description=__doc__.partition("\n")[0])
    parser.add_argument("policy", type=Path, metavar="FILE", help="the policy to try")
    parser.add_argument("--applications", type=Path, metavar="FILE", help="CSV or decision records; default: a grid")
    parser.add_argument("--day", type=date.fromisoformat, metavar="DATE", help="as of which; default: today")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    parser.add_argument("--reports", type=Path, metavar="FOLDER", default=REPORTS, help="default: %(default)s")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        file = read_policy(given.policy)
        terms = Terms(predecessor(file).policy, file.policy, given.day or wiring.today())
        flips = FLIPS / f"{file.policy.hash}.csv"
        tally = backtest(terms, flips, given.applications, given.processes)
    except (InvalidPolicyError, BacktestError, ApplicationFileError, InvalidSettingError, OSError) as exc:
        sys.exit(f"backtest: {exc}")
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        sys.exit(f"backtest: the database failed: {why_none(exc)}")
    if not tally.applications:
        sys.exit("backtest: there is nobody to decide on")
    found = report(tally, terms, "the standard grid" if given.applications is None else given.applications.name)
    write = partial(_write, given.reports, file.policy.hash)
    write("json", json.dumps(found, indent=1) + "\n")
    write("html", page(found))
    memory = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024
    print(
        f"{file.policy.hash} instead of {terms.before.hash}, as of {terms.today}:\n"
        f"  {found['customers']} customers, {found['applications']} applications\n"
        f"  approved before {found['approved']['before']}, after {found['approved']['after']}\n"
        f"  lost {tally.lost} ({found['approvals_lost_pct']} %), gained {tally.gained} "
        f"({found['approvals_gained_pct']} %): {flips}\n"
        f"  report: {given.reports / file.policy.hash}.json and .html\n"
        f"  {time.monotonic() - began:.1f} s, {memory} MiB (this process and the largest other)"
    )


def _write(folder: Path, name: str, suffix: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
