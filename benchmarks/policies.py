"""Measures the work with policies: a back-test of a large book, decisions replayed, applications decided in bulk."""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.large_portfolio import import_portfolio
from benchmarks.memory import Run, run_watched
from benchmarks.options import Options
from benchmarks.results import Findings, Table, Target
from benchmarks.stores import Stores
from lending import wiring
from lending.adapters.policy_files import read_policy
from lending.decision_record import decision_record
from lending.domain.eligibility import decide
from lending.domain.loans import LoanApplication
from lending.domain.policy import Policy
from lending.domain.scoring import assess
from local.sample_data.records import FIRST_CUSTOMER_ID
from policies.replay import main as replay
from policies.tally import grid
from testkit.policies import document, score, write_policy

RECORDS = APPLICATIONS = 100_000


def measure_section(stores: Stores, options: Options) -> Findings:
    """Fill the database; then back-test a policy on it, replay and decide, each as its command."""
    imported = import_portfolio(stores, options.customers)
    customers = range(FIRST_CUSTOMER_ID, FIRST_CUSTOMER_ID + options.customers)
    with TemporaryDirectory() as name:
        folder, today = Path(name), wiring.today()
        other = document(0, 14, 18, begins="2100-01-01", score=score(punctuality={"points": 30}, volume={"points": 30}))
        policy = write_policy(folder, other)
        trying = _command("policies.backtest", str(policy), "--reports", name, "--day", str(today))
        after = read_policy(policy).policy
        runs = {"back-test, a process for each core": trying, "back-test, one process": [*trying, "--processes", "1"]}
        rows = [_row(what, len(customers), run_watched(command, os.environ)) for what, command in runs.items()]
        report = json.loads((folder / f"{after.hash}.json").read_text(encoding="utf-8"))
        wrong = _told_otherwise(report, _one_by_one(customers, today, after))
        records, spoilt = _records(folder, customers, today)
        rows.append(_row("replay", RECORDS, run_watched(_command("policies.replay", str(records)), os.environ)))
        unnoticed = _replayed(spoilt) == 0
        applications = _applications(folder, customers)
        rows.append(
            _row(
                "decide in bulk", APPLICATIONS, run_watched(_command("policies.decide", str(applications)), os.environ)
            )
        )
    return Findings(
        tables=[
            imported,
            Table(
                "Policies",
                [
                    "",
                    "customers, records or lines",
                    "seconds",
                    "us each",
                    "peak MiB, without the processes that decide",
                ],
                rows,
                f"The whole commands. A back-test decides {len(grid(1))} applications a customer under two policies; "
                f"{report['approvals_lost']} approvals of {report['approved']['before']} were lost, "
                f"{report['approvals_gained']} gained.",
            ),
        ],
        targets=[
            Target.of_count("figures of the back-test that are not those of deciding one by one", wrong, 0),
            Target.of_count("changed bytes that the replay has not noticed", int(unnoticed), 0),
        ],
        remarks=["Nothing was pinned to a core."],
    )


def _one_by_one(customers: range, today: date, after: Policy) -> Counter[str]:
    """Count what checks of each customer come to, read one at a time, under both policies."""
    counts: Counter[str] = Counter()
    for customer_id in customers:
        record = wiring.loan_store().credit_record(customer_id, today).record
        profiles = [assess(record, today, policy) for policy in (wiring.policy_of(today), after)]
        for application in grid(customer_id):
            approved = [decide(application, profile).approved for profile in profiles]
            counts["before"] += approved[0]
            counts["after"] += approved[1]
            counts["lost"] += approved[0] > approved[1]
            counts["gained"] += approved[0] < approved[1]
    return counts


def _told_otherwise(report: dict[str, Any], counts: Counter[str]) -> int:
    told = report["approved"] | {change: report[f"approvals_{change}"] for change in ("lost", "gained")}
    return sum(told[name] != count for name, count in counts.items())


def _records(folder: Path, customers: range, today: date) -> tuple[Path, Path]:
    """Write decision records, and the same with one byte changed."""
    lines = list(_record_lines(customers, today))
    whole, spoilt = folder / "records.jsonl", folder / "spoilt.jsonl"
    whole.write_text("".join(lines), encoding="utf-8")
    place = random.randrange(len(lines))
    start = lines[place].index('"monthly_installment":"') + len('"monthly_installment":"')
    digit = "2" if lines[place][start] == "1" else "1"
    lines[place] = lines[place][:start] + digit + lines[place][start + 1 :]
    spoilt.write_text("".join(lines), encoding="utf-8")
    return whole, spoilt


def _record_lines(customers: range, today: date) -> Iterator[str]:
    profiles = [
        assess(record, today, wiring.policy_of(today))
        for record in wiring.loan_store().credit_records(list(customers[:1000]), today)
    ]
    for _ in range(RECORDS):
        profile = random.choice(profiles)
        application = _application(profile.customer_id)
        members = decision_record(application, decide(application, profile), profile, principal="iam:A", today=today)
        yield f"{{{members}}}\n"


def _application(customer_id: int) -> LoanApplication:
    amount, rate = (Decimal(random.randint(1, most)).scaleb(-2) for most in (100_000_000, 3_000))
    return LoanApplication(customer_id, amount + 1000, rate, random.randint(1, 120))


def _applications(folder: Path, customers: range) -> Path:
    file = folder / "applications.csv"
    rows = [",".join(map(str, _application(random.choice(customers))[:4])) for _ in range(APPLICATIONS)]
    file.write_text("\n".join(["customer_id,loan_amount,interest_rate,tenure", *rows]) + "\n", encoding="utf-8")
    return file


def _replayed(file: Path) -> int:
    """Replay a file; return the exit status."""
    return replay([str(file)])


def _command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _row(what: str, count: int, run: Run) -> list[str | int | float | None]:
    return [what, count, run.seconds, 1e6 * run.seconds / count, run.peak_mib]
