"""The database's password is rotated under load, as RDS does every week. Callers see 503 at most."""

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from db.migrate import migrate
from lending import wiring
from lending.patience import Patience
from local.sam.secrets_manager import put_login, with_secret
from local.servers.mysql_server import start_mysql
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.fakes import Customer, a_loan
from testkit.service import Answer, Service
from testkit.waiting import eventually

DB_SECRET = "lending/database"  # a name, not a secret
ENVIRONMENTS = 3
CUSTOMERS = range(1001, 1001 + ENVIRONMENTS)
ASHA = Customer(monthly_salary=Decimal(9_000_000), approved_limit=Decimal(9_000_000_000))

ROTATIONS = 2
SECONDS_APART = 1.3
SECRET_BEHIND_SECONDS = 0.3
"""RDS changes the password first and the secret's current version afterwards."""
RECOVERY_SECONDS = 2
"""After this time everything must be well again. A refused login is fetched again once a second."""
SECONDS_WELL = 0.5
"""For so long it is seen to be."""

OTHERS_CONNECTIONS = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"


class Seen(NamedTuple):
    """The response to a caller, and its time."""

    at: float
    status: int
    problem: str | None
    retry_after: str | None


def environment_under_load(variables: Mapping[str, str], customer_id: int, folder: Path) -> list[Seen]:
    """Run like one execution environment: request after request on kept connections, until told to stop."""
    os.environ.update(variables)
    wiring.patience = Patience.relaxed()  # a busy machine is no outage
    service = Service()
    seen: list[Seen] = []
    while not (folder / "stop").exists():
        seen += [_seen(ask(customer_id)) for ask in (service.check, service.create)]
        (folder / f"warm {customer_id}").touch()
        time.sleep(0.01)
    return seen


def keep_its_log_to_itself() -> None:
    """A line for each of thousands of requests would hide what went wrong."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _seen(answer: Answer) -> Seen:
    problem = answer.body.get("type") if answer.status >= 400 else None
    return Seen(time.monotonic(), answer.status, problem, answer.headers.get("retry-after"))


@dataclass
class Rotation:
    """A database whose password is in a secret."""

    server: Server
    secrets: Server
    database: Database

    def rotate(self, password: str) -> None:
        """Change the password, then the secret. End all connections each time, because new environments have none."""
        version = self.database.execute("SELECT VERSION()")[0][0]
        statement = "SET PASSWORD = PASSWORD(%s)" if "MariaDB" in version else "SET PASSWORD = %s"
        self.database.execute(statement, [password])
        self._end_connections()
        time.sleep(SECRET_BEHIND_SECONDS)
        put_login(self.secrets, DB_SECRET, self.server.environment["DB_USER"], password)
        self._end_connections()

    def _end_connections(self) -> None:
        for (connection_id,) in self.database.execute(OTHERS_CONNECTIONS):
            self.database.execute(f"KILL {connection_id}")


@pytest.fixture
def rotation(tmp_path: Path, aws: Server) -> Iterator[Rotation]:
    with (
        start_mysql(tmp_path / "mysql") as server,
        connect(server.environment) as connection,
    ):
        migrate(connection)
        database = Database(server.environment, connection)
        for customer_id in CUSTOMERS:
            database.add_customer(customer_id, ASHA, [a_loan()] * 3)
        yield Rotation(server, aws, database)


def test_a_rotation_under_load_costs_at_most_a_retry(rotation: Rotation, redis_server: Server, tmp_path: Path) -> None:
    stores = rotation.server.environment | redis_server.environment
    variables = with_secret(stores, rotation.secrets, DB_SECRET)
    loans_before = _loans(rotation)
    began_at: list[float] = []

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(ENVIRONMENTS, context, initializer=keep_its_log_to_itself) as processes:
        running = [processes.submit(environment_under_load, variables, each, tmp_path) for each in CUSTOMERS]
        assert eventually(lambda: len(list(tmp_path.glob("warm *"))) == ENVIRONMENTS, 60)
        for number in range(ROTATIONS):
            began_at.append(time.monotonic())
            rotation.rotate(f"rotated {number}")
            rotated_at = time.monotonic()
            time.sleep(SECONDS_APART)
        time.sleep(RECOVERY_SECONDS - SECONDS_APART + SECONDS_WELL)
        (tmp_path / "stop").touch()
        lives = [each.result(timeout=60) for each in running]

    seen = [answer for life in lives for answer in life]
    failures = [answer for answer in seen if answer.status not in {200, 201}]
    assert {(answer.status, answer.problem) for answer in failures} <= {(503, "/problems/store-unavailable")}
    assert all(int(answer.retry_after or 0) >= 1 for answer in failures)
    assert failures, "the rotations were noticed at all"
    for life in lives:
        assert {answer.status for answer in life if answer.at < began_at[0]} <= {200, 201}
        assert {answer.status for answer in life if answer.at > rotated_at + RECOVERY_SECONDS} == {200, 201}
    assert _loans(rotation) - loans_before == len([answer for answer in seen if answer.status == 201])


def _loans(rotation: Rotation) -> int:
    return int(rotation.database.execute("SELECT COUNT(*) FROM loans")[0][0])
