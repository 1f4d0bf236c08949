"""Two hundred checks at once, of one cold customer or of two hundred, get right answers with one fill each."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from threading import Barrier
from typing import NamedTuple

import pytest

from db.migrate import migrate
from lending.adapters.logins import GivenLogin
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_loans import MySQLLoanStore
from lending.adapters.redis_connection import RedisConnection, Wait
from lending.adapters.redis_scores import RedisScoreCache
from lending.config import Settings
from lending.domain.loans import LoanApplication
from lending.patience import Patience
from lending.use_cases.cache_use import CacheOutcome, CacheUse
from lending.use_cases.check_eligibility import check_eligibility
from local.servers.mysql_server import start_mysql
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import KEYSPACE, POLICY, Customer, a_loan
from testkit.service import TODAY

PATIENT = Patience.relaxed()
CHECKS = 200
SALARIED = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))


class Checked(NamedTuple):
    """The outcome of one check."""

    customer_id: int
    credit_score: int
    use: CacheUse


@pytest.fixture(scope="module")
def roomy_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database whose server has enough connections for all."""
    folder = tmp_path_factory.mktemp("roomy")
    with (
        start_mysql(folder / "mysql", None, "--max-connections=300") as server,
        connect(server.environment) as connection,
    ):
        migrate(connection)
        database = Database(server.environment, connection)
        for customer_id in range(1, CHECKS + 1):
            # Customers have different scores, so that a mixed-up answer shows.
            database.add_customer(customer_id, SALARIED, [a_loan()] * (1 + customer_id % 10))
        yield database


def check_all_at_once(
    database: Database, redis_server: Server, customer_ids: Sequence[int]
) -> tuple[list[Checked], list[Checked]]:
    """Check each in its own environment, then once more. All are connected before the first one asks."""
    settings = Settings.from_env(database.environment | redis_server.environment)
    login = GivenLogin(database.environment["DB_USER"], database.environment["DB_PASSWORD"])
    gate = Barrier(len(customer_ids))

    def check(customer_id: int) -> tuple[Checked, Checked]:
        with (
            closing(MySQLConnection(settings, login, PATIENT)) as mysql,
            closing(RedisConnection(settings, None, PATIENT)) as cache,
        ):
            mysql.query("SELECT 1", {})
            cache.ask("PING", wait=Wait(total=10, reply=10))

            def once() -> Checked:
                use = CacheUse()
                gate.wait()
                checked = check_eligibility(
                    LoanApplication(customer_id, Decimal(100000), Decimal(12), 12),
                    store=lambda: MySQLLoanStore(mysql, mysql),
                    scores=RedisScoreCache(cache, KEYSPACE, PATIENT),
                    today=TODAY,
                    policy=POLICY,
                    cache_use=use,
                )
                return Checked(customer_id, checked.decision.credit_score, use)

            return once(), once()

    with ThreadPoolExecutor(len(customer_ids)) as pool:
        first, again = zip(*pool.map(check, customer_ids), strict=True)
    return list(first), list(again)


def selects(database: Database) -> int:
    """Return how many SELECTs the server has run."""
    ((_, count),) = database.execute("SHOW GLOBAL STATUS LIKE 'Com_select'")
    return int(count)


@pytest.mark.parametrize(
    "customer_ids", [[1] * CHECKS, range(1, CHECKS + 1)], ids=["one customer", "as many customers"]
)
def test_a_stampede_is_answered_right_and_fills_each_entry_once(
    roomy_database: Database,
    redis_server: Server,
    customer_ids: Sequence[int],
) -> None:
    before = selects(roomy_database)

    checked, again = check_all_at_once(roomy_database, redis_server, customer_ids)

    own = CHECKS  # each environment's SELECT 1
    misses = sum(check.use.outcome is CacheOutcome.MISS for check in checked)
    assert selects(roomy_database) - before - own == misses, "a miss is one statement, a hit none"
    assert sum(check.use.stored for check in checked) == len(set(customer_ids))
    scores = {check.customer_id: check.credit_score for check in checked}
    assert all(check.credit_score == scores[check.customer_id] for check in checked)
    assert {check.use.outcome for check in again} == {CacheOutcome.HIT}
    assert [check.credit_score for check in again] == [check.credit_score for check in checked]
