"""How the pages reach the database and the cache: on their own connections, and with less patience than anybody."""

import logging
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pymysql

from doctor.examination import root_of, words_of
from lending import wiring
from lending.domain.loans import CreditRecord
from lending.domain.scoring import CreditProfile, assess
from lending.errors import LendingError
from lending.observability import logger
from lending.patience import Patience
from lending.ports import CacheAwayError

PATIENCE = Patience(table_wait=0, lock_wait=1, database_connect=0.5, database_reply=1.1, cache_refresh=1)
"""Whoever looks at a page would rather be told that a store is silent. No lock is waited for: none is taken."""
DATABASE_AWAY = (LendingError, pymysql.MySQLError, OSError)

CUSTOMER = "SELECT first_name, last_name FROM customers WHERE customer_id = %(customer_id)s"
LOANS = """
SELECT loan_id, loan_amount, interest_rate, tenure, monthly_repayment, start_date, end_date, status
  FROM loans WHERE customer_id = %(customer_id)s AND status IN ('APPROVED', 'PENDING') AND end_date >= %(today)s
 ORDER BY start_date DESC, loan_id DESC LIMIT 20
"""
SOME_CUSTOMERS = "SELECT customer_id, first_name, last_name FROM customers ORDER BY customer_id LIMIT 300"
OUTBOX = (
    "SELECT swept_at IS NOT NULL, COUNT(*) FROM (SELECT swept_at FROM cache_invalidations LIMIT 100000) AS o GROUP BY 1"
)


class Customer(NamedTuple):
    """A customer as the database has them now."""

    name: str
    record: CreditRecord
    profile: CreditProfile
    loans: tuple[tuple[Any, ...], ...]
    """The current ones, the newest first."""


def use_own_patience() -> None:
    """Read as the service does, but give up sooner; and log nothing, since the pages say it."""
    logger.setLevel(logging.CRITICAL)
    wiring.patience = PATIENCE


def customer(customer_id: int, today: date) -> Customer | None:
    """Return a customer, None where there is none.

    Raises:
        DATABASE_AWAY: One of these.
    """
    parameters = {"customer_id": customer_id, "today": today}
    rows = wiring.database().query(CUSTOMER, parameters)
    records = wiring.loan_store().credit_records([customer_id], today)
    if not rows or not records:
        return None
    profile = assess(records[0], today, wiring.policy_of(today))
    return Customer(" ".join(rows[0]), records[0], profile, wiring.database().query(LOANS, parameters))


def some_customers(today: date) -> list[Customer]:
    """Return the first customers, without their loans; as customer()."""
    names = {number: f"{first} {last}" for number, first, last in wiring.database().query(SOME_CUSTOMERS, {})}
    records = wiring.loan_store().credit_records(list(names), today) if names else []
    policy = wiring.policy_of(today)
    found = [Customer(names[record.customer_id], record, assess(record, today, policy), ()) for record in records]
    return sorted(found, key=lambda one: one.profile.customer_id)


class OutboxNow(NamedTuple):
    """What the outbox holds."""

    never_swept: int
    swept_once: int
    """Which wait for the second pass."""
    oldest_seconds: int
    """Of those that were never swept."""


def outbox() -> OutboxNow:
    """Return what waits to be swept; as customer()."""
    rows = {bool(swept): int(count) for swept, count in wiring.database().query(OUTBOX, {})}
    return OutboxNow(rows.get(False, 0), rows.get(True, 0), wiring.outbox().oldest_seconds())


def money(amount: Decimal) -> str:
    """Return an amount for people."""
    return f"{amount:,.2f}"


def why(exc: BaseException) -> str:
    """Return in words why a store did not answer."""
    if isinstance(exc, CacheAwayError) and exc.__cause__ is None:
        return exc.args[0].value if exc.args else "no answer"
    return words_of(root_of(exc))
