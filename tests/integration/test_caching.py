"""What the cache promises while nothing fails."""

import json
from datetime import date
from decimal import Decimal

import pytest
import redis

from lending import wiring
from testkit.database import Database
from testkit.fakes import POLICY, Customer, a_loan
from testkit.service import Service, statements

ASHA = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))


@pytest.fixture
def asha(database: Database) -> int:
    """A customer with three repaid loans."""
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    return 1001


def test_credit_score_caching(service: Service, redis_client: redis.Redis, asha: int) -> None:
    first = service.check(asha)
    second = service.check(asha)

    assert first.cache_status == "fwd=miss; stored"
    assert second.cache_status == "hit"
    assert second.body == first.body
    assert 86390 < redis_client.ttl("credit_score:1001") <= 86400


def test_cache_invalidation_on_new_loan(service: Service, redis_client: redis.Redis, asha: int) -> None:
    before = service.check(asha)
    loan = service.create(asha)
    entry_after_loan = redis_client.get("credit_score:1001")
    after = service.check(asha)

    assert loan.status == 201
    assert entry_after_loan is None
    assert after.cache_status == "fwd=miss; stored"
    assert after.body["credit_score"] > before.body["credit_score"], "a loan this year raises the score"


def test_a_decline_leaves_the_cached_score(service: Service, redis_client: redis.Redis, asha: int) -> None:
    service.check(asha)

    declined = service.create(asha, loan_amount=9000000)

    assert declined.status == 200
    assert declined.cache_status == "hit", "the cached profile declines at once"
    assert redis_client.get("credit_score:1001") is not None


def test_the_cached_document_explains_itself(service: Service, redis_client: redis.Redis, asha: int) -> None:
    service.check(asha)

    document = json.loads(redis_client.get("credit_score:1001") or b"")

    assert document == {
        "v": 4,
        "db": wiring.settings().db_mark,
        "customer_id": 1001,
        "credit_score": 48,
        "components": {"punctuality": "35.00", "experience": "6.00", "activity": "0.00", "volume": "7.50"},
        "loans": 3,
        "emis_paid_on_time": 36,
        "tenure_months": 36,
        "loans_this_year": 0,
        "lent_amount": "300000.00",
        "over_limit": False,
        "on_hold": False,
        "room_for_installments": "45000.00",
        "as_of": "2024-06-15",
        "valid_through": "2024-12-31",
        "policy": POLICY.hash,
    }


def test_a_hit_sends_the_database_no_statement_and_a_miss_sends_one(service: Service, database: Database) -> None:
    database.add_customer(1001, ASHA, [a_loan()])
    database.add_customer(1002, ASHA, [a_loan()])
    service.check(1001)

    start = statements()
    service.check(1001)
    after_hit = statements()
    service.check(1002)
    after_miss = statements()

    own = 1  # the SHOW that reads the counter
    assert after_hit - start - own == 0
    assert after_miss - after_hit - own == 1


def test_an_entry_is_not_served_once_the_calendar_may_have_changed_it(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = a_loan(status="APPROVED", start_date=date(2024, 1, 1), end_date=date(2024, 6, 20))
    database.add_customer(1001, ASHA, [current])
    service.check(1001)

    monkeypatch.setattr(wiring, "today", lambda: date(2024, 6, 20))
    last_day = service.check(1001)
    monkeypatch.setattr(wiring, "today", lambda: date(2024, 6, 21))
    day_after = service.check(1001)
    again = service.check(1001)

    assert last_day.cache_status == "hit"
    assert day_after.cache_status == "fwd=miss; stored"
    assert again.cache_status == "hit"


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"garbage",
        b"42",
        b"[]",
        b"null",
        b'{"v":1}',
        b'{"v":0,"customer_id":1001,"credit_score":99}',
        b'{"v":1,"customer_id":1001,"credit_score":48,"components":{}}',
        b"\xff\xfe",
        b"[" * 2000,
        b'"' + b"x" * 100_000 + b'"',
    ],
)
def test_anything_else_under_the_key_is_a_miss_and_is_replaced(
    service: Service, redis_client: redis.Redis, asha: int, junk: bytes
) -> None:
    redis_client.set("credit_score:1001", junk)

    first = service.check(asha)
    second = service.check(asha)

    assert first.status == 200
    assert first.cache_status == "fwd=miss; stored"
    assert second.cache_status == "hit"


def test_another_type_under_the_key_is_a_miss_and_is_replaced(
    service: Service, redis_client: redis.Redis, asha: int
) -> None:
    redis_client.rpush("credit_score:1001", "a", "list")

    assert service.create(asha, loan_amount=9000000).status == 200
    assert service.check(asha).cache_status == "fwd=miss; stored"
    assert service.check(asha).cache_status == "hit"


def test_another_customers_document_is_a_miss(
    service: Service, redis_client: redis.Redis, database: Database, asha: int
) -> None:
    database.add_customer(1002, ASHA, [a_loan(emis_paid_on_time=0)])
    service.check(asha)
    redis_client.set("credit_score:1002", redis_client.get("credit_score:1001") or b"")

    answer = service.check(1002)

    assert answer.cache_status == "fwd=miss; stored"
    assert answer.body["customer_id"] == 1002
    assert answer.body["credit_score"] != 48


@pytest.mark.parametrize("held", [b"lease:another", b"write:another"])
def test_anothers_lease_or_marker_is_left_alone(
    service: Service, redis_client: redis.Redis, asha: int, held: bytes
) -> None:
    redis_client.set("credit_score:1001", held)

    answer = service.check(asha)

    assert answer.status == 200
    assert answer.cache_status == "fwd=miss"
    assert redis_client.get("credit_score:1001") == held


def test_a_lease_whose_reader_never_comes_back_ends_by_itself(service: Service, redis_client: redis.Redis) -> None:
    service.check(999)  # unknown to the database: nothing to fill

    held = redis_client.get("credit_score:999")
    assert isinstance(held, bytes)
    assert held.startswith(b"lease:")
    assert 0 < redis_client.pttl("credit_score:999") <= 5_000


@pytest.mark.usefixtures("service")
def test_a_marker_outlives_every_transaction_and_no_more(redis_client: redis.Redis, asha: int) -> None:
    wiring.score_cache().confirm_write(asha, b"write:r1")

    # After 300 s the database ends a transaction whose client has vanished.
    assert 300_000 < redis_client.pttl("credit_score:1001") <= 900_000
