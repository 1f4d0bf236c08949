"""Decisions in bulk: what a check would answer, and once each, however often the run is killed."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest

from lending import wiring
from local.servers.server import Server
from policies import decide
from testkit.database import Database
from testkit.fakes import POLICY, Customer
from testkit.service import TODAY, Service
from testkit.template import ROOT
from tests.integration.test_decision_records import a_life

TITLES = "customer_id,loan_amount,interest_rate,tenure"
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
    file = write(tmp_path / "a.csv", 30_000)
    answers, whole = tmp_path / "a.decided.csv", tmp_path / "whole.csv"
    command = [sys.executable, "-m", "policies.decide", str(file)]
    environment = os.environ | book.environment | redis_server.environment
    kills = 0
    while kills < 20:
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as run:
            began, size = time.monotonic(), answers.stat().st_size if answers.exists() else 0
            while run.poll() is None and (not answers.exists() or answers.stat().st_size < size + 750_000):
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
    file, answers = write(tmp_path / "a.csv", 5), tmp_path / "a.decided.csv"
    decide.main([str(file)])
    before = answers.read_bytes()
    lines = file.read_text().splitlines(keepends=True)

    for changed, refused in (
        (lines[:4], "a.decided.csv has 4 answers, a.csv fewer lines"),
        ([*lines[:2], "7,8,9,10,11\n", *lines[3:]], "a.decided.csv, line 3: no answer to line 3 of a.csv"),
        ([lines[0], "7,8,9,10,11\n", *lines[1:]], "a.decided.csv, line 2: no answer to line 2 of a.csv"),
        ([lines[0], "\n", *lines[1:]], "a.decided.csv, line 2: no answer to line 3 of a.csv"),
    ):
        file.write_text("".join(changed))
        with pytest.raises(SystemExit, match=refused):
            decide.main([str(file)])
    assert answers.read_bytes() == before


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("content", ["a letter\nwithout an end", "\n", ",".join(decide.TITLES).upper()])
def test_a_file_that_holds_no_answers_stays_as_it_is(tmp_path: Path, content: str) -> None:
    (letter := tmp_path / "letter.txt").write_text(content)

    with pytest.raises(SystemExit, match="its first line is not their titles"):
        decide.main([str(write(tmp_path / "a.csv", 5)), "--answers", str(letter)])
    assert letter.read_text() == content


@pytest.mark.usefixtures("service")
def test_a_run_that_was_killed_within_the_titles_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "a.decided.csv").write_text("line,custo")
    decide.main([str(write(tmp_path / "a.csv", 5))])

    assert len(read(tmp_path / "a.decided.csv")) == 5


@pytest.mark.usefixtures("service")
def test_a_line_that_is_no_answer_is_not_taken_for_one(tmp_path: Path) -> None:
    file, answers = write(tmp_path / "a.csv", 5), tmp_path / "a.decided.csv"
    decide.main([str(file)])
    whole = answers.read_bytes().splitlines(keepends=True)

    for broken in (b"\n", b"3,1\n", b"\xff" + whole[2], b'"' + whole[2], whole[2][:-1] + b",\n"):
        answers.write_bytes(b"".join([*whole[:2], broken, *whole[3:]]))
        with pytest.raises(SystemExit, match=r"line 3: no answer to line 3 of a\.csv"):
            decide.main([str(file)])


@pytest.mark.usefixtures("service")
def test_of_two_runs_at_once_the_second_is_refused(tmp_path: Path) -> None:
    file, answers = write(tmp_path / "a.csv", 5), tmp_path / "a.decided.csv"
    with answers.open("ab+") as held:
        flock(held, LOCK_EX)
        with pytest.raises(SystemExit, match=r"another run is writing a\.decided\.csv"):
            decide.main([str(file)])
        assert answers.read_bytes() == b""
    decide.main([str(file)])

    assert len(read(answers)) == 5


@pytest.mark.usefixtures("book", "service")
def test_answers_of_two_policies_are_mixed_by_order_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, answers = write(tmp_path / "a.csv", 40), tmp_path / "a.decided.csv"
    decide.main([str(file)])
    answers.write_bytes(b"".join(answers.read_bytes().splitlines(keepends=True)[:21]))
    before = answers.read_bytes()
    monkeypatch.setattr(wiring, "policy_of", lambda _: POLICY._replace(hash="f" * 32))

    with pytest.raises(SystemExit, match=f"answers under the policy {POLICY.hash}, in force is ffff"):
        decide.main([str(file)])
    assert answers.read_bytes() == before
    decide.main([str(file), "--any-policy"])
    assert {answer["policy"] for answer in read(answers)} == {"", POLICY.hash, "f" * 32}


@pytest.mark.usefixtures("book", "service")
def test_a_run_stops_where_another_policy_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "PIECE", 20)
    turns = iter([POLICY, POLICY._replace(hash="f" * 32)])
    monkeypatch.setattr(wiring, "policy_of", lambda _: next(turns))

    with pytest.raises(SystemExit, match=f"answers under the policy {POLICY.hash}, in force is ffff"):
        decide.main([str(write(tmp_path / "a.csv", 40))])
    assert len(read(tmp_path / "a.decided.csv")) == 20


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("customer_id,amount\n", "the first line has no loan_amount, interest_rate, tenure"),
        ("", "the first line has no customer_id, loan_amount"),
        (TITLES + ",loan_amount\n1,2,3,4,5\n", "the first line has loan_amount twice"),
        (TITLES + ",highest_intrest_rate\n1,2,3,4,5\n", "the first line has 'highest_intrest_rate', no known field"),
        (TITLES + ",\n1,2,3,4,\n", "the first line has '', no known field"),
        (TITLES + "\n1,50000,8,12\n1,50,000,8,12\n", "a.csv, line 3: more cells than titles"),
        (TITLES + '\n1,50000,8,"12\n1,50000,8,12\n', "a.csv: unexpected end of data"),
    ],
)
def test_a_file_that_can_be_read_in_two_ways_is_refused(tmp_path: Path, text: str, refused: str) -> None:
    (tmp_path / "a.csv").write_text(text)

    with pytest.raises(SystemExit, match=refused):
        decide.main([str(tmp_path / "a.csv")])
