"""A second policy takes effect at midnight: at once, for everybody, and without a rush on the database."""

import json
import os
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from functions.refresh_cache.app import lambda_handler as refresh_cache
from lending import wiring
from lending.domain.policy import Policy
from local.front.lambda_context import LambdaContext
from local.servers.server import Server
from testkit.database import Database
from testkit.environments import environments
from testkit.fakes import Customer, a_loan
from testkit.policies import document, score, with_next, write_policy
from testkit.service import Service, statements

ASHA = 1001
CUSTOMER = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
EVE, DAY = date(2024, 6, 30), date(2024, 7, 1)
HALF_AN_HOUR = 1800.0

PROCESSES, CUSTOMERS = 4, range(1, 201)
SECONDS_BEFORE, SECONDS_AFTER = 3.5, 1.0
MOST_STRAGGLERS = len(CUSTOMERS) // 10
"""Customers whose entry was filled too late to be made ready. Without the refresh, all of them would be read."""


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Policy, ...]:
    """That of the layer, and from DAY on one with dearer slabs and other weights."""
    known = with_next(write_policy(tmp_path, dearer(DAY)))
    monkeypatch.setattr(wiring, "policies", lambda: known)
    return known


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock to so many seconds after midnight."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(wiring, "today", lambda: EVE if seconds < 0 else DAY)
        monkeypatch.setattr(wiring, "day_in", lambda ahead: EVE if seconds + ahead < 0 else DAY)

    return set_clock


def dearer(day: date) -> dict[str, Any]:
    parts = {"punctuality": {"points": 30}, "volume": {"points": 30, "full_marks_amount": 2000000}}
    return document(0, 13, 17, begins=day, score=score(**parts))


def refresh() -> dict[str, int]:
    return refresh_cache({}, LambdaContext("refresh_cache", timeout_seconds=70))


@pytest.mark.usefixtures("policies")
def test_the_next_policy_decides_from_midnight_on(
    service: Service, database: Database, set_clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    database.add_customer(ASHA, CUSTOMER, [a_loan()] * 3)
    set_clock(-1)
    before = [service.check(ASHA), service.check(ASHA)]
    lent = service.create(ASHA, key="k1", loan_amount=10)
    set_clock(0)
    after = service.check(ASHA)
    replayed = service.create(ASHA, key="k1", loan_amount=10)
    lent_after = [service.create(ASHA, key="k2", loan_amount=10) for _ in range(2)]

    assert [(answer.cache_status, answer.body["corrected_interest_rate"]) for answer in before] == [
        ("fwd=miss; stored", 12),
        ("hit", 12),
    ]
    assert (after.cache_status, after.body["corrected_interest_rate"]) == ("fwd=miss; stored", 13)
    assert {part["name"]: part["points_possible"] for part in after.body["score_components"]}["volume"] == 30
    assert replayed.body == lent.body
    assert lent_after[0].body == lent_after[1].body
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"figures"' in line]
    first, then = wiring.policies()
    assert [record["policy"] for record in records] == [first.hash] * 3 + [then.hash, None, then.hash, None]


@pytest.mark.usefixtures("policies")
@pytest.mark.parametrize("seconds", [-HALF_AN_HOUR, HALF_AN_HOUR], ids=["before", "after"])
def test_entries_are_renewed_for_the_next_policy_around_midnight(
    service: Service,
    database: Database,
    redis_client: redis.Redis,
    set_clock: Callable[[float], None],
    seconds: float,
) -> None:
    left_alone = {b"credit_score:2": b"lease:x", b"credit_score:3": b"write:x", b"credit_score:x": b"{}"}
    left_alone[b"credit_score:4"] = b'{"v":4,"db":"another","policy":"x"}'
    for key, value in left_alone.items():
        redis_client.set(key, value)
    # Its loan ends on the eve: the two days differ by more than the policy.
    ends = a_loan(status="APPROVED", start_date=date(2023, 6, 30), end_date=EVE)
    database.add_customer(ASHA, CUSTOMER, [a_loan()] * 3 + [ends])
    database.add_customer(4, CUSTOMER, [a_loan()])
    set_clock(-HALF_AN_HOUR)
    eve = service.check(ASHA)
    set_clock(seconds)
    renewed = [refresh()["warmed"] for _ in range(2)]
    if seconds < 0:
        assert service.check(ASHA).body == eve.body
    set_clock(0)
    sent = statements()
    on_the_day = service.check(ASHA)
    sent = statements() - sent
    redis_client.delete(f"credit_score:{ASHA}")
    fresh = service.check(ASHA)

    assert renewed == [1, 0]
    assert (on_the_day.cache_status, on_the_day.body, sent) == ("hit", fresh.body, 1), "nothing but the count itself"
    assert {key: redis_client.get(key) for key in left_alone} == left_alone


@pytest.mark.usefixtures("policies")
def test_on_other_days_the_refresh_looks_for_nothing(
    service: Service, database: Database, set_clock: Callable[[float], None], redis_client: redis.Redis
) -> None:
    database.add_customer(ASHA, CUSTOMER, [a_loan()])
    set_clock(-2 * 3600)
    service.check(ASHA)
    entry = redis_client.get(f"credit_score:{ASHA}")

    assert refresh()["warmed"] == 0
    assert redis_client.get(f"credit_score:{ASHA}") == entry


def turned(policy_file: str, midnight: float, of_customers: list[int]) -> list[tuple[float, float, int, str, Any]]:
    """Check customers until after midnight, each then too; return when each check began and ended, and its answer.

    An environment calls this.
    """
    _let_midnight_come(policy_file, midnight)
    service, seen, round_began = Service(), [], 0.0
    while round_began < midnight + SECONDS_AFTER:
        round_began = time.time()
        for customer_id in of_customers:
            began = time.time()
            answer = service.check(customer_id)
            seen.append((began, time.time(), customer_id, str(answer.cache_status), answer.body))
    return seen


def refreshed(policy_file: str, midnight: float) -> int:
    """Refresh until long after midnight; return how many entries were renewed. An environment calls this."""
    _let_midnight_come(policy_file, midnight)
    renewed = 0
    while time.time() < midnight + SECONDS_AFTER:
        renewed += refresh()["warmed"]
    return renewed


def _let_midnight_come(policy_file: str, midnight: float) -> None:
    known = with_next(Path(policy_file))
    wiring.policies = lambda: known  # type: ignore[assignment]
    wiring.day_in = lambda seconds: DAY if time.time() + seconds >= midnight else EVE
    wiring.today = lambda: wiring.day_in(0)


@pytest.mark.usefixtures("policies")
def test_under_load_every_answer_is_of_one_policy_and_none_of_the_old_after_midnight(
    service: Service,
    database: Database,
    redis_server: Server,
    tmp_path: Path,
    set_clock: Callable[[float], None],
) -> None:
    for number in CUSTOMERS:
        database.add_customer(number, CUSTOMER, [a_loan(emis_paid_on_time=number % 13)] * (number % 5))
    expected = {}
    for seconds in (-1, 0):
        set_clock(seconds)
        expected[seconds] = {number: service.check(number).body for number in CUSTOMERS}
    with redis.Redis(host=redis_server.host, port=redis_server.port, db=1) as client:
        client.flushdb()
    file = str(write_policy(tmp_path, dearer(DAY), "turn.json"))
    stores = database.environment | redis_server.environment | {"SWEEP_SECONDS": "60"}
    with environments(PROCESSES + 1, stores) as (refresher, *readers):
        for each in (refresher, *readers):
            each.begin(os.getpid)
            each.result()  # it has started
        midnight = time.time() + SECONDS_BEFORE
        refresher.begin(refreshed, file, midnight)
        for number, reader in enumerate(readers):
            reader.begin(turned, file, midnight, list(CUSTOMERS)[number::2])
        seen = [check for reader in readers for check in reader.result()]
        renewed = refresher.result()

    wrong = [
        (began - midnight, customer_id)
        for began, ended, customer_id, _, body in seen
        if not (began < midnight and body == expected[-1][customer_id])
        and not (ended >= midnight and body == expected[0][customer_id])
    ]
    after = [check for check in seen if check[0] >= midnight]
    misses = [check for check in after if check[3] != "hit"]
    assert wrong == []
    assert len({str(bodies[1]) for bodies in (expected[-1], expected[0])}) == 2
    assert {check[2] for check in after} == set(CUSTOMERS)
    assert renewed >= len(CUSTOMERS) - MOST_STRAGGLERS
    assert len(misses) <= MOST_STRAGGLERS
    print(f"{len(seen)} checks, {len(after)} after midnight, {renewed} entries renewed, {len(misses)} misses after it")
