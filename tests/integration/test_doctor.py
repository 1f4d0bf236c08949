"""`python -m doctor`: a line for each check, the exit status of the worst, and never a traceback."""

import os
import subprocess
import sys
from collections.abc import Mapping

from local.servers.server import Server
from testkit.database import Database
from testkit.template import ROOT


def doctor(environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "REDIS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "doctor"],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_fit_stores_are_22_lines_and_no_failure(database: Database, redis_server: Server) -> None:
    status, lines = doctor(database.environment | redis_server.environment)

    assert status == 0, lines
    assert {line.split()[0] for line in lines} == {"ok"}
    assert len(lines) == 22


def test_a_warning_is_1(database: Database, redis_server: Server) -> None:
    database.execute(
        "INSERT INTO cache_invalidations (customer_id, created_at) VALUES (7, CURRENT_TIMESTAMP - INTERVAL 20 SECOND)"
    )

    status, lines = doctor(database.environment | redis_server.environment)

    assert status == 1
    [warning] = [line for line in lines if line.startswith("warning")]
    assert warning.startswith("warning  database outbox          1 waiting, the oldest for ")
    assert "  ->  " in warning


def test_stores_that_are_away_are_2_and_a_line_each() -> None:
    away = {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_NAME": "n", "DB_USER": "u", "REDIS_PORT": "1"}

    status, lines = doctor(away)

    assert status == 2
    assert [line.split("  ")[0] for line in lines] == ["failed", "failed"]


def test_a_setting_that_is_missing_is_named() -> None:
    assert doctor({}) == (2, ["failed   settings                 DB_HOST is not set  ->  see README, Configuration"])
