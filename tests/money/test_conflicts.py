"""Conflicts between transactions, seen over HTTP: wait, retry later, or start over."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from pymysql.cursors import Cursor

from lending import wiring
from lending.patience import Patience
from lending.use_cases.tries import MAX_CONFLICTS
from testkit.database import Database, connect
from testkit.proxy import Action, Proxy
from testkit.service import Answer, use_patience
from tests.money.borrowers import APPLICATION, add_borrowers, loans_of
from tests.money.conftest import CUSTOMER
from tests.money.duplicates import SALARY_FOR_MANY
from tests.money.http_front import Client
from tests.money.wire import statement

BODY = {"customer_id": CUSTOMER} | APPLICATION

LOCK_WAIT_SECONDS = Patience().lock_wait

LOCK_CUSTOMER = "SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE"
# Shared, so that the next can have them before the last has let go; keeps others' inserts out of the gap behind them.
SHARE_LOANS = "SELECT 1 FROM loans WHERE customer_id = %s LOCK IN SHARE MODE"
WAITING = """
SELECT COUNT(*) FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id
 WHERE trx_state = 'LOCK WAIT' AND DB = DATABASE()
"""


@pytest.fixture
def statements(proxy: Proxy) -> Counter[bytes]:
    """How many statements the handlers have sent so far that begin with each word."""
    counts: Counter[bytes] = Counter()

    def count(piece: bytes) -> Action:
        counts.update(statement(piece).split()[:1])
        return Action.PASS

    proxy.on_request = count
    return counts


def test_a_client_that_waits_too_long_for_the_customer_is_asked_to_retry(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_patience(monkeypatch, replace(wiring.patience, table_wait=0, lock_wait=1, database_reply=2))
    with connect(database.environment) as other, other.cursor() as cursor:
        other.begin()
        cursor.execute(LOCK_CUSTOMER, [CUSTOMER])
        started_at = time.monotonic()
        busy = client.create_loan(BODY, "k1")
        waited_seconds = time.monotonic() - started_at
        other.rollback()
    again = client.create_loan(BODY, "k1")

    assert (busy.status, busy.headers["retry-after"]) == (409, "1")
    assert busy.body["type"] == "/problems/request-in-progress"
    assert wiring.patience.lock_wait - 0.1 < waited_seconds < wiring.patience.database_reply
    assert (again.status, "idempotency-replayed" in again.headers) == (201, False)
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: [again.body["loan_id"]]}


def test_who_loses_a_deadlock_starts_over(client: Client, database: Database, statements: Counter[bytes]) -> None:
    answer = deadlocked(client, database, statements, times=1)

    assert (statements[b"ROLLBACK"], statements[b"COMMIT"]) == (1, 1)
    assert answer.status == 201
    assert loans_of(database.connection, [CUSTOMER]) == {CUSTOMER: [answer.body["loan_id"]]}


def test_a_client_that_loses_again_and_again_is_asked_to_retry(
    client: Client, database: Database, statements: Counter[bytes]
) -> None:
    busy = deadlocked(client, database, statements, times=MAX_CONFLICTS + 1)
    none = loans_of(database.connection, [CUSTOMER])
    again = client.create_loan(BODY, "k1")

    assert (statements[b"ROLLBACK"], statements[b"COMMIT"]) == (MAX_CONFLICTS + 1, 1)
    assert (busy.status, busy.headers["retry-after"]) == (503, "1")
    assert busy.body["type"] == "/problems/store-unavailable"
    assert none == {CUSTOMER: []}
    assert (again.status, "idempotency-replayed" in again.headers) == (201, False)


def deadlocked(client: Client, database: Database, statements: Counter[bytes], times: int) -> Answer:
    """Ask for a loan whose transaction deadlocks with this many others in turn, and loses each time."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        others = [stack.enter_context(heavy_transaction(database, number)) for number in range(times)]
        others[0].execute(SHARE_LOANS, [CUSTOMER])
        answer = pool.submit(client.create_loan, BODY, "k1")
        for number, other in enumerate(others, start=1):
            wait_for_insert(database, statements, number)
            # The handler holds the customer and waits for the loans, of which this one does the reverse. It alone, as
            # MySQL looks for a circle through one of those that somebody waits for.
            other.execute(LOCK_CUSTOMER, [CUSTOMER])
            # The handler has lost and starts over; the next one has the loans before it gets the customer.
            for following in others[number : number + 1]:
                following.execute(SHARE_LOANS, [CUSTOMER])
            other.connection.rollback()
        return answer.result()


@contextmanager
def heavy_transaction(database: Database, number: int) -> Iterator[Cursor]:
    """Begin a transaction with so many changes that it wins a deadlock."""
    with connect(database.environment) as other, other.cursor() as cursor:
        other.begin()
        add_borrowers(other, range(5000 + 100 * number, 5100 + 100 * number), SALARY_FOR_MANY)
        yield cursor
        other.rollback()


def wait_for_insert(database: Database, statements: Counter[bytes], number: int) -> None:
    """Wait until the handlers have come to their n-th INSERT, and it to a lock."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    waiting = False
    while not waiting:
        assert time.monotonic() < deadline
        time.sleep(0.15)  # InnoDB refreshes this only when nobody has asked for 0.1 s
        waiting = statements[b"INSERT"] == number and database.execute(WAITING) == ((1,),)
