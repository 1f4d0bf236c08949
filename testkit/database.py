"""Real databases for tests and harnesses: connects to one, fills it, and makes new ones."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from testkit.fakes import Customer, Loan


def connect(environment: Mapping[str, str]) -> "pymysql.Connection[Cursor]":
    """Connect to the server that the DB_* variables name, with autocommit."""
    return pymysql.connect(
        host=environment["DB_HOST"],
        port=int(environment["DB_PORT"]),
        user=environment["DB_USER"],
        password=environment["DB_PASSWORD"],
        database=environment["DB_NAME"],
        autocommit=True,
    )


@dataclass(frozen=True)
class Database:
    """A migrated database and the test's own connection to it."""

    environment: dict[str, str]
    connection: "pymysql.Connection[Cursor]"

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of one statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def clear(self) -> None:
        """Empty the tables."""
        for table in ("declined_requests", "loans", "customers", "import_holds", "cache_invalidations"):
            self.execute(f"DELETE FROM {table}")  # noqa: S608 - the last empties what the triggers wrote

    def add_customer(self, customer_id: int, customer: Customer, loans: Sequence[Loan] = ()) -> None:
        """Add a customer with their loans, and tell the cache nothing: it has not heard of them."""
        self.execute("SET @cache_invalidations_by_hand = 1")
        self.execute(
            "INSERT INTO customers VALUES (%s, 'Asha', 'Test', 40, %s, %s, %s, 0, %s)",
            (customer_id, customer_id, *customer),
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment,"
                " emis_paid_on_time, start_date, end_date, status) VALUES (%s, %s, %s, 10, %s, %s, %s, %s, %s)",
                [(customer_id, *loan) for loan in loans],
            )
        self.execute("SET @cache_invalidations_by_hand = NULL")


def name_for(mysql_environment: Mapping[str, str], purpose: str) -> str:
    """Return the name of this process's database for a purpose."""
    return f"{mysql_environment['DB_NAME']}_{purpose}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@contextmanager
def own_database(mysql_environment: dict[str, str], purpose: str) -> Iterator[Database]:
    """Make a new, empty database of this process for a purpose, and drop it at the end."""
    name = name_for(mysql_environment, purpose)
    with connect(mysql_environment) as server, server.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        environment = mysql_environment | {"DB_NAME": name}
        with connect(environment) as connection:
            yield Database(environment, connection)
        cursor.execute(f"DROP DATABASE {name}")
