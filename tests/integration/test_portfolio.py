"""The right answers for a real portfolio, which lies beside the repository where there is one."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from importer.connection import only_importer
from importer.importing import Files, import_files
from importer.report import Counts, Report
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
    examples = json.loads((DATA / "examples.json").read_text(encoding="utf-8"), parse_float=Decimal)
    today = date.fromisoformat(examples["today"])
    monkeypatch.setattr(wiring, "today", lambda: today)
    return examples["cases"]


@pytest.fixture
def report(examples: Any, database: Database, tmp_path: Path) -> Report:  # noqa: ARG001  # imported on that day
    """The report on the import of the portfolio into the database."""
    with only_importer(Settings.from_env(database.environment)) as connection:
        files = Files(DATA / "customers.csv", DATA / "loans.csv")
        return import_files(connection, files, rejects=tmp_path / "rejects.csv", today=wiring.today())


def answers(answer: Answer) -> dict[str, object]:
    return {name: answer.body[name] for name in ANSWERED}


def test_the_portfolio_is_imported_but_for_loan_ids_that_came_before(report: Report, database: Database) -> None:
    assert report.customers == Counts(added=300, changed=0, unchanged=0, rejected={})
    assert (report.loans.added, report.loans.changed, report.loans.unchanged) == (753, 0, 0)
    assert list(report.loans.rejected.values()) == [29]
    assert database.execute("SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM loans)") == ((300, 753),)


@pytest.mark.usefixtures("report")
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

    assert (len(examples), {len(case["decisions"]) for case in examples}) == (32, {6})
    assert wrong == []


@pytest.mark.usefixtures("report")
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
