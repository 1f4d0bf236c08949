"""Lending on a real server: under a lock, decided on fresh data, and only once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from lending import wiring
from lending.adapters.logins import GivenLogin
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_loans import MySQLLoanStore
from lending.config import Settings
from lending.domain.loans import LoanApplication, LoanRequest
from lending.patience import Patience
from lending.use_cases.cache_use import CacheUse
from lending.use_cases.create_loan import LoanResult, create_loan
from testkit.database import Database, connect
from testkit.fakes import POLICY, Customer, FakeScoreCache, a_loan
from testkit.service import TODAY, Service, use_patience

SALARIED = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
UNAFFORDABLE: dict[str, Any] = {"loan_amount": 9000000}


@pytest.fixture
def asha(database: Database) -> int:
    """A customer with ten repaid loans, who may borrow at any rate."""
    database.add_customer(1001, SALARIED, [a_loan()] * 10)
    return 1001


def loans_made(database: Database, customer_id: int = 1001) -> int:
    """Return how many loans the service has made for a customer."""
    sql = "SELECT COUNT(*) FROM loans WHERE customer_id = %s AND request_id IS NOT NULL"
    ((count,),) = database.execute(sql, (customer_id,))
    return int(count)


def test_the_loan_is_recorded_as_it_was_answered(service: Service, database: Database, asha: int) -> None:
    answer = service.create(asha, loan_amount=100000, interest_rate=10, tenure=12)

    assert answer.status == 201
    ((row),) = database.execute(
        "SELECT loan_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time, start_date,"
        " end_date, status, asked_interest_rate, credit_score FROM loans WHERE request_id IS NOT NULL"
    )
    assert row == (
        answer.body["loan_id"],
        Decimal("100000.00"),
        12,
        Decimal("10.00"),
        answer.body["monthly_installment"],
        0,
        date(2024, 6, 15),
        date(2025, 6, 15),
        "APPROVED",
        Decimal("10.00"),
        80,
    )


def test_without_a_key_every_approved_request_lends(service: Service, database: Database, asha: int) -> None:
    first, second = service.create(asha), service.create(asha)

    assert (first.status, second.status) == (201, 201)
    assert first.body["loan_id"] != second.body["loan_id"]
    assert loans_made(database) == 2


def test_a_key_lends_once_and_replays_its_answer(service: Service, database: Database, asha: int) -> None:
    first = service.create(asha, key="k1")
    second = service.create(asha, key="k1")

    assert first.status == second.status == 201
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.body == first.body
    assert loans_made(database) == 1


def test_the_same_application_written_differently_is_the_same_request(service: Service, asha: int) -> None:
    first = service.create(asha, key="k1", interest_rate=10)

    second = service.post(
        "/create-loan",
        '{"tenure": 1.2e1, "interest_rate": 10.00, "customer_id": 1001, "loan_amount": 100000.0}',
        headers={"idempotency-key": "k1"},
    )

    assert second.body == first.body
    assert second.headers["idempotency-replayed"] == "true"


def test_a_decline_is_replayed_too(service: Service, database: Database, asha: int) -> None:
    first = service.create(asha, key="k1", **UNAFFORDABLE)
    database.execute("UPDATE customers SET monthly_salary = 9000000")

    second = service.create(asha, key="k1", **UNAFFORDABLE)

    assert first.status == second.status == 200
    assert first.body["reason_codes"] == ["INSTALLMENTS_OVER_HALF_SALARY"]
    assert second.body == first.body
    assert second.headers["idempotency-replayed"] == "true"
    assert service.create(asha, key="k2", **UNAFFORDABLE).status == 201


@pytest.mark.parametrize(
    "change", [{"customer_id": 1002}, {"loan_amount": 100000.01}, {"interest_rate": 10.01}, {"tenure": 13}]
)
@pytest.mark.parametrize("first", [{}, UNAFFORDABLE])
def test_a_key_with_another_body_is_refused(
    service: Service, database: Database, asha: int, first: dict[str, Any], change: dict[str, Any]
) -> None:
    second: dict[str, Any] = {"customer_id": asha} | first | change
    database.add_customer(1002, SALARIED, [a_loan()] * 10)
    service.create(asha, key="k1", **first)

    answer = service.create(key="k1", **second)

    assert answer.status == 422
    assert answer.body["type"] == "/problems/idempotency-mismatch"
    assert loans_made(database) + loans_made(database, 1002) == (0 if first else 1)


def test_the_answer_outlives_a_purge_of_everything_but_the_loan(
    service: Service, database: Database, asha: int
) -> None:
    first = service.create(asha, key="k1")
    database.execute("DELETE FROM declined_requests")

    assert service.create(asha, key="k1").body == first.body
    assert loans_made(database) == 1


IAM = {"iam": {"userId": "AROAEXAMPLE:session-1", "userArn": "arn:aws:sts::123456789012:assumed-role/desk/session-1"}}
SAME_ROLE = {
    "iam": {"userId": "AROAEXAMPLE:session-2", "userArn": "arn:aws:sts::123456789012:assumed-role/desk/session-2"}
}
OTHER_ROLE = {
    "iam": {"userId": "AROAOTHER:session-1", "userArn": "arn:aws:sts::123456789012:assumed-role/night/session-1"}
}
JWT = {"jwt": {"claims": {"iss": "https://issuer.example", "sub": "desk"}, "scopes": None}}
OTHER_JWT = {"jwt": {"claims": {"iss": "https://issuer.example", "sub": "night"}, "scopes": None}}
CLIENT = {"jwt": {"claims": {"iss": "https://issuer.example", "client_id": "batch"}, "scopes": None}}
OTHER_CLIENT = {"jwt": {"claims": {"iss": "https://issuer.example", "client_id": "portal"}, "scopes": None}}
IN_POOL = {"iam": {"userId": "AROAPOOL:CognitoIdentityCredentials", "cognitoIdentity": {"identityId": "eu-west-1:a"}}}
OTHER_IN_POOL = {"iam": IN_POOL["iam"] | {"cognitoIdentity": {"identityId": "eu-west-1:b"}}}
FEDERATED = {"iam": {"userId": "123456789012:bob"}}
OTHER_FEDERATED = {"iam": {"userId": "123456789012:eve"}}


@pytest.mark.parametrize(
    ("one", "other", "loans"),
    [
        *[(IAM, IAM, 1), (IAM, SAME_ROLE, 1), (IAM, OTHER_ROLE, 2), (JWT, JWT, 1), (JWT, OTHER_JWT, 2), (IAM, JWT, 2)],
        *[(CLIENT, CLIENT, 1), (CLIENT, OTHER_CLIENT, 2), (IN_POOL, IN_POOL, 1), (IN_POOL, OTHER_IN_POOL, 2)],
        *[(FEDERATED, FEDERATED, 1), (FEDERATED, OTHER_FEDERATED, 2)],
    ],
)
def test_a_key_is_its_callers_own(
    service: Service, database: Database, asha: int, one: dict[str, Any], other: dict[str, Any], loans: int
) -> None:
    service.create(asha, key="k1", caller=one)
    service.create(asha, key="k1", caller=other)

    assert loans_made(database) == loans


@pytest.mark.parametrize(
    ("header", "caller", "scope"),
    [
        ("k1", CLIENT, "jwt https://issuer.example None"),
        ("k1", IN_POOL, "iam AROAPOOL"),
        ("k1", FEDERATED, "iam 123456789012"),
        ('"k1"', IAM, "iam AROAEXAMPLE"),
        ("k1,k1", JWT, "jwt https://issuer.example desk"),
    ],
)
@pytest.mark.parametrize("asked", [{}, UNAFFORDABLE], ids=["lent", "declined"])
def test_a_key_that_an_earlier_release_stored_is_found(
    service: Service,
    database: Database,
    asha: int,
    header: str,
    caller: dict[str, Any],
    scope: str,
    asked: dict[str, Any],
) -> None:
    """It knew fewer forms of keys and callers; a request from then that is repeated now lends once."""
    first = service.create(asha, key=header, caller=caller, **asked)
    stored = sha256(f"{scope}\n{header}".encode()).digest()
    database.execute("UPDATE loans SET idempotency_key = %s, answer = NULL WHERE idempotency_key IS NOT NULL", [stored])
    database.execute("UPDATE declined_requests SET idempotency_key = %s, answer = NULL", [stored])

    again = service.create(asha, key=header, caller=caller, **asked)

    not_kept_then = dict.fromkeys(("score_components", "highest_loan_amount", "shortest_tenure"))
    assert again.body == first.body | not_kept_then
    assert again.headers["idempotency-replayed"] == "true"
    assert loans_made(database) == (0 if asked else 1)


def signed(user_id: str, identity_id: str | None = None) -> dict[str, Any]:
    return {"iam": {"userId": user_id, "cognitoIdentity": identity_id and {"identityId": identity_id}}}


def bearing(**claims: str) -> dict[str, Any]:
    return {"jwt": {"claims": {"iss": "https://login.example"} | claims}}


def test_a_key_is_looked_up_without_the_loans_that_have_none(service: Service, database: Database, asha: int) -> None:
    """Where a NULL is among the keys that are looked for, MariaDB goes through all loans without one."""
    imported = 500
    database.add_customer(2002, Customer(Decimal(1), Decimal(1)), [a_loan()] * imported)
    before = rows_looked_at(database)

    loan = service.create(asha, key="k1")

    assert loan.status == 201
    assert rows_looked_at(database) - before < imported


def rows_looked_at(database: Database) -> int:
    rows = database.execute("SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_icp_attempts', 'Handler_read_next')")
    return sum(int(value) for _, value in rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (signed("AROAROLE:session"), signed("AROAROLE:CognitoIdentityCredentials", "eu-west-1:asha")),
        (signed("123456789012"), signed("123456789012:bob")),
        (bearing(sub="None"), bearing(client_id="batch")),
    ],
    ids=["a role and its identity", "an account and its federated user", "a subject called None and a client"],
)
def test_one_callers_key_of_today_is_not_anothers_of_yesterday(
    service: Service, database: Database, asha: int, one: dict[str, Any], other: dict[str, Any]
) -> None:
    answers = [service.create(asha, key="k", caller=caller, loan_amount=1000) for caller in (one, other, one, other)]

    assert [answer.status for answer in answers] == [201] * 4
    assert ["idempotency-replayed" in answer.headers for answer in answers] == [False, False, True, True]
    assert loans_made(database) == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "k\u00e4se", "tab\there", "\x7f"])
def test_an_odd_key_is_named_beside_the_fields(service: Service, database: Database, asha: int, key: str) -> None:
    answer = service.create(asha, key=key, tenure=0)

    assert answer.status == 422
    assert {error["pointer"] for error in answer.body["errors"]} == {"/tenure", "Idempotency-Key"}
    assert loans_made(database) == 0


def test_a_twin_waits_for_the_lock_and_replays(database: Database, asha: int) -> None:
    request = LoanRequest(LoanApplication(asha, Decimal(100000), Decimal(10), 12), "request", b"k" * 32)
    with ThreadPoolExecutor(2) as pool:
        with held_customer(database, asha):
            twins = [pool.submit(lend, database, request._replace(request_id=f"r{n}")) for n in range(2)]
            time.sleep(0.1)
        answers = [twin.result() for twin in twins]

    assert answers[0][:2] == answers[1][:2]
    assert sorted(answer.replayed for answer in answers) == [False, True]
    assert loans_made(database) == 1


def test_a_twin_that_waits_too_long_is_asked_to_retry(
    service: Service, database: Database, asha: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_patience(monkeypatch, replace(wiring.patience, table_wait=0, lock_wait=1))

    with held_customer(database, asha):
        busy = service.create(asha, key="k1")
    again = service.create(asha, key="k1")

    assert busy.status == 409
    assert busy.headers["retry-after"] == "1"
    assert busy.body["type"] == "/problems/request-in-progress"
    assert again.status == 201


@contextmanager
def held_customer(database: Database, customer_id: int) -> Iterator[None]:
    """Hold the customer's row in another transaction."""
    with connect(database.environment) as other, other.cursor() as cursor:
        other.begin()
        cursor.execute("SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE", (customer_id,))
        yield
        other.rollback()


def lend(database: Database, request: LoanRequest, seconds: float = 10) -> LoanResult:
    """Run the use case like an execution environment of its own, without a cache."""
    login = GivenLogin(database.environment["DB_USER"], database.environment["DB_PASSWORD"])
    connection = MySQLConnection(Settings.from_env(database.environment), login, Patience(), autocommit=False)
    deadline = time.monotonic() + seconds
    try:
        return create_loan(
            request,
            store=lambda: MySQLLoanStore(connection, connection),
            scores=FakeScoreCache(away=True),
            today=TODAY,
            policy=POLICY,
            cache_use=CacheUse(),
            milliseconds_left=lambda: int(1000 * (deadline - time.monotonic())),
            pause=time.sleep,
            patience=Patience(),
        )
    finally:
        connection.close()
