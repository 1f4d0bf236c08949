"""A policy tried on the book: what is told is what deciding one by one under both comes to."""

import csv
import json
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lending import wiring
from lending.adapters.policy_files import FOLDER, read_policy
from lending.domain.eligibility import decide
from lending.domain.loans import LoanApplication
from lending.domain.scoring import assess
from policies import backtest
from policies.backtest import main
from policies.gate import objections
from policies.snapshot import snapshot
from policies.tally import grid
from testkit.database import Database
from testkit.fakes import POLICY, Customer, a_loan
from testkit.policies import FIRST, document, score, write_policy
from testkit.service import TODAY, Service
from tests.integration.test_decision_records import a_life
from tests.integration.test_portfolio import DATA, imported

CUSTOMERS = range(1, 121)


@pytest.fixture
def book(service: Service, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:  # noqa: ARG001 - it is wired to the book
    """A book that takes several pieces, and a place for what is written."""
    rng = random.Random(3)
    for number in CUSTOMERS:
        salary, limit = Decimal(rng.randint(0, 20_000_000)) / 100, Decimal(rng.randint(0, 90_000_000)) / 100
        database.add_customer(number, Customer(salary, limit, rng.random() < 0.1), a_life(rng))
    monkeypatch.setattr(backtest, "PIECE", 50)
    monkeypatch.setattr(backtest, "FLIPS", tmp_path / "flips")
    return database


@pytest.fixture(params=[45, 50], ids=["less of the salary", "the same share"])
def policy(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    parts = {"punctuality": {"points": 25}, "volume": {"points": 35}}
    other = document(0, 14, 18.5, score=score(**parts), salary_share=request.param)
    return write_policy(tmp_path, other)


def tried(policy: Path, *arguments: str) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """Return the report on a policy, and who is decided otherwise."""
    folder = policy.parent / "reports"
    main([str(policy), "--reports", str(folder), "--processes", "2", "--day", str(TODAY), *arguments])
    hash_ = read_policy(policy).policy.hash
    assert "<svg" in (folder / f"{hash_}.html").read_text(encoding="utf-8")
    rows = list(csv.reader((backtest.FLIPS / f"{hash_}.csv").read_text(encoding="utf-8").splitlines()))
    return json.loads((folder / f"{hash_}.json").read_text(encoding="utf-8")), [tuple(row) for row in rows[1:]]


def one_by_one(policy: Path, applications: list[LoanApplication]) -> tuple[dict[str, Any], set[tuple[str, ...]]]:
    """Return what deciding each application under both policies comes to, read as a check reads it."""
    sides = {"before": POLICY, "after": read_policy(policy).policy}
    approved, reasons, flips = Counter[str](), {side: Counter[str]() for side in sides}, set()
    amounts, rates = dict.fromkeys(sides, Decimal(0)), {side: list[Decimal]() for side in sides}
    slabs: dict[str, Counter[tuple[bool, bool]]] = {side: Counter() for side in sides}
    for application in applications:
        record = wiring.loan_store().credit_record(application.customer_id, TODAY).record
        decided = {side: decide(application, assess(record, TODAY, each)) for side, each in sides.items()}
        for side, decision in decided.items():
            approved[side] += decision.approved
            reasons[side].update(reason.value for reason in decision.reason_codes)
            amounts[side] += decision.highest_loan_amount or 0
            slabs[side][decision.credit_score > 50, decision.approved] += 1
        before, after = decided.values()
        if before.approved and after.approved:
            rates["before"].append(before.corrected_interest_rate)
            rates["after"].append(after.corrected_interest_rate)
        if before.approved != after.approved:
            change = "lost" if before.approved else "gained"
            scores = str(before.credit_score), str(after.credit_score)
            flips.add((*map(str, application[:4]), change, *scores))
    told = {
        "approved": approved,
        "reasons": reasons,
        "mean_highest_loan_amount": {
            side: str((amounts[side] / len(applications)).quantize(Decimal("0.01"))) for side in sides
        },
        "means": [str((sum(each, Decimal(0)) / len(each)).quantize(Decimal("0.01"))) for each in rates.values()],
        "best_slab": {side: [slabs[side][True, True], slabs[side][True, False]] for side in sides},
    }
    return told, flips


def compared(report: dict[str, Any]) -> dict[str, Any]:
    rates = report["rates_of_those_approved_by_both"]
    return {name: report[name] for name in ("approved", "reasons", "mean_highest_loan_amount")} | {
        "means": [rates["mean_before"], rates["mean_after"]],
        "best_slab": {side: list(slabs["51-100"].values()) for side, slabs in report["slabs"].items()},
    }


@pytest.mark.usefixtures("book")
def test_the_grid_over_the_book_is_what_deciding_one_by_one_comes_to(policy: Path) -> None:
    report, flips = tried(policy)
    told, flipped = one_by_one(policy, [each for number in CUSTOMERS for each in grid(number)])

    assert (report["customers"], report["applications"]) == (120, 480)
    assert compared(report) == told
    assert {flip[:7] for flip in flips} == flipped
    assert Counter(flip[4] for flip in flips) == {
        change: report[f"approvals_{change}"] for change in ("lost", "gained") if report[f"approvals_{change}"]
    }
    assert flips
    assert sum(customers for *_, customers in report["scores"]) == 120


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_so_are_the_applications_of_a_file(policy: Path, tmp_path: Path, form: str) -> None:
    rng = random.Random(5)
    asked = [
        LoanApplication(
            rng.randint(1, 125),
            Decimal(rng.randint(100, 10**7)).scaleb(-2),
            Decimal(rng.randint(0, 2000)).scaleb(-2),
            12,
        )
        for _ in range(300)
    ]
    rows = [{name: str(value) for name, value in zip(LoanApplication._fields, each, strict=True)} for each in asked]
    file = tmp_path / f"applications.{form}"
    if form == "csv":
        names = LoanApplication._fields[:4]
        file.write_text("\n".join([",".join(names), *(",".join(row[name] for name in names) for row in rows)]))
    else:
        decided: dict[str, Any] = {"figures": {}, "first_request_id": None}
        repeated = {"figures": None, "policy": None, "first_request_id": "r1"}
        lines = [row | decided | {"highest_interest_rate": None} for row in rows]
        file.write_text("\n".join(map(json.dumps, [*lines, lines[0] | repeated])))

    report, flips = tried(policy, "--applications", str(file))
    told, flipped = one_by_one(policy, [each for each in asked if each.customer_id in CUSTOMERS])

    assert compared(report) == told
    assert {flip[:7] for flip in flips} >= flipped


@pytest.mark.skipif(not DATA.is_dir(), reason="the portfolio is not part of the project")
def test_so_is_the_grid_over_a_real_portfolio(book: Database, policy: Path, tmp_path: Path) -> None:
    book.clear()
    imported(book, DATA, tmp_path / "rejects")
    customers = [number for (number,) in book.execute("SELECT customer_id FROM customers")]

    report, flips = tried(policy)
    told, flipped = one_by_one(policy, [each for number in customers for each in grid(number)])

    assert (report["customers"], compared(report)) == (300, told)
    assert {flip[:7] for flip in flips} == flipped


@pytest.mark.parametrize(("flipped", "let_in"), [(50, True), (51, False)])
def test_a_policy_that_flips_more_than_its_bounds_is_refused_by_name(
    book: Database,
    tmp_path: Path,
    flipped: int,
    *,
    let_in: bool,
) -> None:
    """Of 1,000 approvals 5.1 % against a bound of 5 %; 5.0 % are let in."""
    (folder := tmp_path / "policies").mkdir()
    write_policy(folder, FIRST, "first.json")
    slabs = [*FIRST["slabs"][:2], {"from_score": 0, "to_score": 30, "floor_rate": None}]
    stricter = write_policy(folder, document(slabs=slabs), "stricter.json")
    well_off = Customer(Decimal(900_000), Decimal(9_000_000))
    book.add_customer(501, well_off, [a_loan()] * 9)
    book.add_customer(502, well_off, [a_loan(emis_paid_on_time=4)])
    lines = ["502,1000,20,12"] * flipped + ["501,1000,20,12"] * (1000 - flipped)
    applications = tmp_path / "a.csv"
    applications.write_text("\n".join(["customer_id,loan_amount,interest_rate,tenure", *lines]))

    report, flips = tried(stricter, "--applications", str(applications))

    assert (report["approved"]["before"], report["approvals_lost"]) == (1000, flipped)
    assert [flip[5:] for flip in flips] == [("16", "16", "CREDIT_SCORE_TOO_LOW")] * flipped
    assert objections(folder, folder / "reports") == (
        [] if let_in else ["stricter.json: loses 51 of 1000 approvals, more than the 5 % of its bounds"]
    )


def test_it_sees_one_moment_and_locks_nobody_out(book: Database) -> None:
    with snapshot(wiring.settings(), TODAY) as seen:
        first = seen.records([1])
        book.execute("SET innodb_lock_wait_timeout = 1")
        book.execute("UPDATE customers SET approved_limit = approved_limit + 1, monthly_salary = 0")
        book.add_customer(999, Customer(Decimal(1), Decimal(1)), [a_loan()])
        again = seen.records([1])
        customers = [number for piece in seen.customers(7) for number in piece]

    assert first == again
    assert customers == list(CUSTOMERS)


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("arguments", "begins", "reason"),
    [
        ([], "1999-01-01", "2000-01-01.json: bounds is missing"),
        ([], "2000-01-01", "effective_from is 2000-01-01 in both"),
        ([], "1-1-2000", "effective_from must be a date"),
        (["--applications", "nowhere.csv"], "2024-07-01", "No such file"),
    ],
)
def test_what_cannot_be_tried_is_refused(tmp_path: Path, arguments: list[str], begins: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=reason):
        tried(write_policy(tmp_path, document(0, 13, begins=begins)), *arguments)


@pytest.mark.usefixtures("book")
def test_the_first_policy_follows_none() -> None:
    with pytest.raises(SystemExit, match=r"2000-01-01.json begins before all other policies"):
        main([str(FOLDER / "2000-01-01.json")])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("1,100,8,0", "line 2: tenure must be at least 1"),
        ("1,x,NaN,12", "line 2: loan_amount must be a number; interest_rate must be a number"),
        ("1,100", "line 2: interest_rate is missing; tenure is missing"),
    ],
)
@pytest.mark.usefixtures("book")
def test_an_application_out_of_bounds_is_named(policy: Path, tmp_path: Path, line: str, fault: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"customer_id,loan_amount,interest_rate,tenure\n{line}\n")

    with pytest.raises(SystemExit, match=fault):
        tried(policy, "--applications", str(file))
