"""Private servers for one section of the benchmarks, and the section's own access to them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psutil
import redis

from db.migrate import migrate
from lending import wiring
from local.servers.mysql_server import start_mysql
from local.servers.owners import disown_all, own_folder
from local.servers.process import recorded_process
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Loan, a_loan

# The benchmark lends to the same customers again and again, and must never be declined.
SALARY = APPROVED_LIMIT = Decimal(9_000_000_000)
CURRENT_LOANS_IN = 10
"""One of this many loans is current, the others were repaid."""

BUFFER_POOL = "--innodb-buffer-pool-size=1G"
"""Half of what the smallest instance of the stack has. The locks of an UPDATE of a million rows lie in it, too."""

INSERT_CUSTOMER = "INSERT INTO customers VALUES (%s, 'Asha', 'Test', 40, %s, %s, %s, 0, 0)"
INSERT_LOAN = """
INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, emis_paid_on_time, start_date,
                   end_date, status) VALUES (%s, %s, %s, 10, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Stores:
    """A MySQL and a Redis of its own, and a connection to each beside those of the measured code."""

    mysql: Server
    redis_server: Server
    database: Database
    cache: redis.Redis
    processes: list[psutil.Process]
    """Of the servers; none when they run in containers."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name them to the service."""
        return self.mysql.environment | self.redis_server.environment

    def forget(self, customer_id: int) -> None:
        """Delete a cached score."""
        self.cache.delete(wiring.keyspace().entry(customer_id))

    def status(self, variable: str) -> int:
        """Return one of the database server's own counters."""
        ((_, value),) = self.database.execute("SHOW GLOBAL STATUS WHERE Variable_name = %s", [variable])
        return int(value)

    def describe(self) -> str:
        """Return the servers' names and versions."""
        ((version,),) = self.database.execute("SELECT VERSION()")
        return f"database {version}, Redis {self.cache.info('server')['redis_version']}"

    def add_customers(self, customers: Iterable[tuple[int, int]], *, limit: Decimal = APPROVED_LIMIT) -> None:
        """Add customers, each named by id and number of loans, in one transaction."""
        rows = list(customers)
        histories = {loans: _history(loans) for _, loans in rows}
        connection = self.database.connection
        connection.begin()
        with connection.cursor() as cursor:
            # Nothing of them is cached yet: a sweep would drop what the benchmark is about to cache.
            cursor.execute("SET @cache_invalidations_by_hand = 1")
            cursor.executemany(INSERT_CUSTOMER, [(number, number, SALARY, limit) for number, _ in rows])
            cursor.executemany(INSERT_LOAN, [(number, *loan) for number, loans in rows for loan in histories[loans]])
            cursor.execute("SET @cache_invalidations_by_hand = NULL")
        connection.commit()


@contextmanager
def private_stores() -> Iterator[Stores]:
    """Start both servers with an empty schema, and name them in this process's environment."""
    folder = own_folder()
    try:
        with start_mysql(folder / "mysql", None, BUFFER_POOL) as mysql, start_redis(folder / "redis") as redis_server:
            os.environ.update(mysql.environment | redis_server.environment)
            with (
                connect(mysql.environment) as connection,
                redis.Redis(host=redis_server.host, port=redis_server.port, db=1) as cache,
            ):
                migrate(connection)
                recorded = (recorded_process(folder / name) for name in ("mysql", "redis"))
                processes = [process for process in recorded if process is not None]
                database = Database(mysql.environment, connection)
                yield Stores(mysql, redis_server, database, cache, processes)
    finally:
        disown_all()


def _history(loans: int) -> list[Loan]:
    """Return a customer's loans. Ten loans or more give a score above all slabs, one or more include a current loan."""
    today = datetime.now(UTC).date()
    current: dict[str, Any] = {"status": "APPROVED", "start_date": today, "end_date": today + timedelta(days=365)}
    return [a_loan(**(current if number % CURRENT_LOANS_IN == 0 else {})) for number in range(loans)]
