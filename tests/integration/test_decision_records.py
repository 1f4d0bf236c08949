"""Every decision leaves one record, from whose figures alone it can be computed again.

`RECORDS=10000 pytest -rP tests/integration/test_decision_records.py` sends more and counts them by kind.
"""

import json
import os
import random
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from policies.replay import decided_again
from testkit.database import Database
from testkit.fakes import POLICY, Customer, Loan, a_loan
from testkit.service import TODAY, Service

REQUESTS = int(os.environ.get("RECORDS", "400"))


def a_life(rng: random.Random) -> list[Loan]:
    return [
        a_loan(
            loan_amount=Decimal(rng.randint(100, 30_000_000)) / 100,
            emis_paid_on_time=rng.randint(0, 12),
            start_date=rng.choice([date(2020, 1, 15), date(2024, 2, 1)]),
            end_date=rng.choice([date(2024, 6, 14), date(2024, 6, 15), date(2025, 1, 15)]),
            status=rng.choice(["APPROVED", "PENDING", "PAID"]),
        )
        for _ in range(rng.randint(0, 8))
    ]


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "figures" in line]


def test_each_request_has_one_record_that_its_figures_explain(
    service: Service, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(7)
    for customer_id in range(1, 41):
        salary, limit = Decimal(rng.randint(0, 20_000_000)) / 100, Decimal(rng.randint(0, 90_000_000)) / 100
        database.add_customer(customer_id, Customer(salary, limit, rng.random() < 0.1), a_life(rng))
    capsys.readouterr()

    first_records: dict[str, dict[str, Any]] = {}
    kinds: Counter[str] = Counter()
    for number in range(REQUESTS):
        kind = rng.choice(["check", "check", "check", "create", "keyed", "again", "wrong"])
        ask = service.check if kind in {"check", "wrong"} else service.create
        fields: dict[str, Any] = {
            "loan_amount": rng.randint(1, 10_000_000),
            "interest_rate": rng.randint(0, 30),
            "tenure": 0 if kind == "wrong" else rng.choice([1, 12, 60, 480]),
        }
        customer_id, key = rng.randint(1, 44), f"k{number}" if kind == "keyed" else None
        if kind == "again" and first_records:
            key, first = rng.choice(list(first_records.items()))
            customer_id = first["customer_id"]
            fields = {name: Decimal(first[name]) for name in ("loan_amount", "interest_rate")} | {
                "tenure": first["tenure"]
            }
        answer = ask(customer_id, **fields) if key is None else service.create(customer_id, key=key, **fields)

        written = records(capsys)
        assert len(written) == int(answer.status in {200, 201})
        kinds[f"{kind} {answer.status} {answer.cache_status}"] += 1
        for record in written:
            assert record["approved"] == answer.body.get("approval", answer.body.get("loan_approved"))
            assert record["reason_codes"] == answer.body["reason_codes"]
            if record["first_request_id"] is None:
                again = decided_again(record, POLICY) | {"loan_id": record["loan_id"]}
                assert {name: record[name] for name in again} == again
                first_records |= {key: record} if key is not None else {}
            else:
                first = first_records[str(key)]
                assert record["first_request_id"] == first["request_id"]
                told = ("approved", "reason_codes", "credit_score", "monthly_installment", "loan_id")
                assert [record[name] for name in told] == [first[name] for name in told]
    if "RECORDS" in os.environ:
        print("", *(f"{count:6,} {kind}" for kind, count in sorted(kinds.items())), sep="\n")
    assert {"hit", "fwd=miss; stored"} <= {kind.partition(" ")[2][4:] for kind in kinds}


def test_a_replays_record_names_the_first_request(
    service: Service, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.add_customer(1001, Customer(Decimal(90000), Decimal(3000000)), [a_loan()] * 3)
    for _ in range(2):
        service.create(1001, key="k1")

    first, second = records(capsys)
    assert (first["first_request_id"], second["first_request_id"]) == (None, first["request_id"])
    assert second["figures"] is None
    assert (first["loan_id"], first["business_date"]) == (second["loan_id"], str(TODAY))
