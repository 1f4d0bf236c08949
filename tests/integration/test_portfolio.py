"""The right answers for a real portfolio, which lies beside the repository where there is one."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from importer.connection import only_importer
from importer.importing import Outcome, Task, run
from lending import wiring
from lending.config import Settings
from testkit.database import Database
from testkit.service import Answer, Service

DATA = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the portfolio is not part of the project")

ANSWERED = ("credit_score", "approval", "corrected_interest_rate", "monthly_installment")


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch, service: Service) -> Any:  # noqa: ARG001  # its day is overridden here
    """The applications with their right answers, on the day for which these hold."""
    examples = json.loads((DATA / "examples_all_loans.json").read_text(encoding="utf-8"), parse_float=Decimal)
    today = date.fromisoformat(examples["today"])
    monkeypatch.setattr(wiring, "today", lambda: today)
    return examples["cases"]


def imported(database: Database, folder: Path, rejects: Path) -> Outcome:
    """Import the files of a folder, unaltered and without a word about them."""
    customers, loans = (next(folder.glob(f"{name}.*")) for name in ("customers", "loans"))
    with only_importer(Settings.from_env(database.environment)) as connection:
        return run(connection, Task(customers, loans, rejects=rejects, today=wiring.today()))


@pytest.fixture
def outcome(examples: Any, database: Database, tmp_path: Path) -> Outcome:  # noqa: ARG001  # imported on that day
    """What became of the import of the portfolio into the database."""
    return imported(database, DATA, tmp_path)


def answers(answer: Answer) -> dict[str, object]:
    return {name: answer.body[name] for name in ANSWERED}


def test_the_portfolio_is_imported_to_the_last_loan(outcome: Outcome, database: Database) -> None:
    """Also the 29 whose id another customer's loan has as well: 15.0 million lent."""
    assert (outcome.failure, outcome.rejects, outcome.report.rejected) == (None, [], 0)
    assert (outcome.report.customers.added, outcome.report.loans.added) == (300, 782)
    assert outcome.report.loans.file == outcome.report.loans.taken == outcome.report.loans.after
    assert database.execute("SELECT COUNT(*), SUM(loan_amount) FROM loans") == (
        (782, outcome.report.loans.file.amount),
    )


@pytest.mark.parametrize("kept_by", ["spreadsheet", "month_first", "day_first"])
@pytest.mark.usefixtures("examples")
def test_as_others_keep_it_the_portfolio_becomes_the_same_database(
    database: Database, tmp_path: Path, kept_by: str
) -> None:
    rows = "SELECT * FROM customers", "SELECT * FROM loans ORDER BY customer_id, external_loan_id"
    imported(database, DATA / "files" / kept_by, tmp_path)
    alone = [database.execute(sql) for sql in rows]

    again = imported(database, DATA, tmp_path).report

    assert (again.customers.unchanged, again.loans.unchanged) == (300, 782)
    assert [database.execute(sql) for sql in rows] == alone
    numbers = [row[0] for row in database.execute("SELECT loan_id FROM loans ORDER BY customer_id, external_loan_id")]
    assert numbers == list(range(numbers[0], numbers[0] + 782))


@pytest.mark.usefixtures("outcome")
def test_every_example_is_answered_right_on_a_miss_and_on_a_hit(
    service: Service, redis_client: redis.Redis, examples: Any
) -> None:
    wrong = []
    for case in examples:
        for example in case["decisions"]:
            application = {name: example[name] for name in ("loan_amount", "interest_rate", "tenure")}
            expected = {"credit_score": case["credit_score"]} | {name: example[name] for name in ANSWERED[1:]}
            redis_client.flushall()
            miss = service.check(case["customer_id"], **application)
            hit = service.check(case["customer_id"], **application)
            assert (miss.cache_status, hit.cache_status) == ("fwd=miss; stored", "hit")
            wrong += [answer.body for answer in (miss, hit) if answers(answer) != expected]

    assert (len(examples), {len(case["decisions"]) for case in examples}) == (36, {6})
    assert wrong == []


@pytest.mark.usefixtures("outcome")
def test_every_decline_is_one_to_create_loan_too(service: Service, redis_client: redis.Redis, examples: Any) -> None:
    """Whether the cache or the store says so; and no decline changes the answer to the next one."""
    declined = [
        (case["customer_id"], example) for case in examples for example in case["decisions"] if not example["approval"]
    ]
    for customer_id, example in declined:
        application = {name: example[name] for name in ("loan_amount", "interest_rate", "tenure")}
        redis_client.flushall()
        by_store = service.create(customer_id, **application)
        checked = service.check(customer_id, **application)
        by_cache = service.create(customer_id, **application)

        assert (by_store.status, by_cache.status) == (200, 200)
        assert (by_store.cache_status, by_cache.cache_status) == ("fwd=miss", "hit")
        assert by_store.body == by_cache.body
        assert by_store.body["reason_codes"] == checked.body["reason_codes"] != []
    assert declined
