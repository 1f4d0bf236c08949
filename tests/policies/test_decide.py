"""Decisions in bulk: what a check would answer, and once each, however often the run is killed."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.servers.server import Server
from policies import decide
from testkit.database import Database
from testkit.fakes import POLICY, Customer
from testkit.service import TODAY, Service
from testkit.template import ROOT
from tests.integration.test_decision_records import a_life

ASKED = ("customer_id", "loan_amount", "interest_rate", "tenure", "highest_interest_rate")


def write(path: Path, lines: int) -> Path:
    rng = random.Random(9)
    rows = [
        (rng.randint(1, 33), rng.randint(1, 900_000), rng.randint(0, 20), rng.choice([6, 24, 0]), "")
        for _ in range(lines)
    ]
    path.write_text("\n".join(",".join(map(str, row)) for row in (ASKED, *rows)) + "\n")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def book(database: Database) -> Database:
    rng = random.Random(3)
    for number in range(1, 31):
        salary, limit = Decimal(rng.randint(0, 20_000_000)) / 100, Decimal(rng.randint(0, 90_000_000)) / 100
        database.add_customer(number, Customer(salary, limit, rng.random() < 0.1), a_life(rng))
    return database


@pytest.mark.usefixtures("book")
def test_each_line_is_decided_as_a_check_would(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "PIECE", 7)
    file = write(tmp_path / "a.csv", 60)
    decide.main([str(file)])

    answers = read(tmp_path / "a.decided.csv")
    assert [int(answer["line"]) for answer in answers] == list(range(2, 62))
    faults = {answer["error"] for answer in answers}
    assert faults == {"", "no such customer", "tenure must be at least 1"}
    for asked, answer in zip(read(file), answers, strict=True):
        assert {name: answer[name] for name in ASKED} == asked
        checked = service.check(int(asked["customer_id"]), **{name: Decimal(asked[name]) for name in ASKED[1:4]})
        assert checked.status == {"": 200, "no such customer": 404}.get(answer["error"], 422)
        if checked.status == 200:
            assert (answer["business_date"], answer["policy"]) == (str(TODAY), POLICY.hash)
            assert answer["approved"] == str(checked.body["approval"]).lower()
            assert answer["reason_codes"].split() == checked.body["reason_codes"]
            for name in ("credit_score", "corrected_interest_rate", "monthly_installment", "highest_loan_amount"):
                assert Decimal(answer[name]) == checked.body[name]
            assert answer["shortest_tenure"] == str(checked.body["shortest_tenure"] or "")


@pytest.mark.usefixtures("service")
def test_a_killed_run_goes_on_where_it_was(book: Database, redis_server: Server, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", 60_000)
    answers, whole = tmp_path / "a.decided.csv", tmp_path / "whole.csv"
    command = [sys.executable, "-m", "policies.decide", str(file)]
    environment = os.environ | book.environment | redis_server.environment
    kills = 0
    while kills < 20:
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as run:
            began, size = time.monotonic(), answers.stat().st_size if answers.exists() else 0
            while run.poll() is None and (not answers.exists() or answers.stat().st_size < size + 1_500_000):
                time.sleep(0.001)
                assert time.monotonic() - began < 60
            if run.poll() is not None:
                break
            run.send_signal(signal.SIGKILL)
        kills += 1
        with answers.open("rb+") as torn:
            torn.truncate(answers.stat().st_size - 5)  # in the middle of a line, as a full disk leaves it
    subprocess.run([*command, "--answers", str(whole)], cwd=ROOT, env=environment, check=True, capture_output=True)

    assert kills >= 2
    assert answers.read_bytes() == whole.read_bytes()


@pytest.mark.usefixtures("service")
def test_the_answers_of_another_file_are_not_continued(tmp_path: Path) -> None:
    decide.main([str(write(tmp_path / "a.csv", 5)), "--answers", str(tmp_path / "answers.csv")])

    with pytest.raises(SystemExit, match=r"answers.csv has 5 answers, b.csv only 3 lines"):
        decide.main([str(write(tmp_path / "b.csv", 3)), "--answers", str(tmp_path / "answers.csv")])
    (tmp_path / "c.csv").write_text("customer_id,amount\n")
    with pytest.raises(SystemExit, match=r"c.csv: the first line has no loan_amount, interest_rate, tenure"):
        decide.main([str(tmp_path / "c.csv")])
