"""What a cold start pays for: in processes of their own, since this one has imported everything long ago."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# Powertools imports `botocore`, 1 ms, to put its name into user agents; botocore.session is what costs.
HEAVY = (
    *("boto3", "botocore.session", "pymysql", "pydantic", "aws_xray_sdk"),
    *("redis.asyncio", "redis.client", "redis.cluster", "redis.commands", "zipfile"),
)

PRELUDE = f"""
import json, sys
sockets = []
sys.addaudithook(lambda event, arguments: sockets.append(event) if event.startswith("socket.") else None)

def tell():
    print(json.dumps({{"sockets": sockets, "heavy": [name for name in {HEAVY} if name in sys.modules]}}))
"""

IMPORT = PRELUDE + "import functions.{name}.app\ntell()"

# The cache is a fake, so that no socket is opened; the loan store is the real one, that a hit must not ask.
HIT = (
    PRELUDE
    + """
import functions.check_eligibility.app
import os
from datetime import date
from decimal import Decimal
from lending import wiring
from lending.domain.scoring import CreditProfile, ScoreComponents
from local.front.lambda_context import LambdaContext
from testkit.events import post_event
from testkit.fakes import POLICY, FakeScoreCache

os.environ.update(DB_HOST="nowhere", DB_NAME="none", DB_USER="nobody")
today = date(2024, 6, 15)
points = ScoreComponents(Decimal(35), Decimal(5), Decimal(10), Decimal(10))
lent, room = Decimal(1000000), Decimal(25000)
profile = CreditProfile(1001, 60, points, 5, 60, 60, 2, lent, False, False, room, today, today, POLICY)
wiring.score_cache = lambda: FakeScoreCache({1001: profile})
wiring.today = lambda: today
body = '{"customer_id": 1001, "loan_amount": 100000, "interest_rate": 8, "tenure": 12}'
answer = functions.check_eligibility.app.lambda_handler(post_event("/check-eligibility", body), LambdaContext("check"))
assert answer["headers"]["cache-status"] == "credit-score; hit", answer
tell()
"""
)


def run(script: str) -> Any:
    """Return what a script told, run in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["check_eligibility", "create_loan", "refresh_cache"])
def test_importing_a_handler_opens_nothing_and_imports_nothing_heavy(name: str) -> None:
    assert run(IMPORT.replace("{name}", name)) == {"sockets": [], "heavy": []}


def test_a_hit_does_not_load_the_database_driver() -> None:
    assert run(HIT) == {"sockets": [], "heavy": []}


SNAPSHOT = (
    "import os\n"
    'os.environ.update({"DB_HOST": "nowhere", "DB_NAME": "none", "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})\n'
    "os.environ.update({environment})\n" + IMPORT
)
BY_SECRET, BY_USER = {"DB_SECRET_ID": "secret"}, {"DB_USER": "nobody"}


@pytest.mark.parametrize("name", ["check_eligibility", "create_loan"])
@pytest.mark.parametrize(
    ("environment", "loaded"),
    [
        (BY_USER, ["pymysql"]),
        (BY_SECRET, ["boto3", "botocore.session", "pymysql", "zipfile"]),
        ({"DB_PORT": "none"}, []),
    ],
    ids=["a login without a secret", "a secret", "settings that are wrong"],
)
def test_a_snapshot_has_what_every_restore_would_import_and_no_connection(
    name: str, environment: dict[str, str], loaded: list[str]
) -> None:
    script = SNAPSHOT.replace("{environment}", str(environment)).replace("{name}", name)

    told = run(script)

    assert told["heavy"] == loaded
    assert not {"socket.connect", "socket.getaddrinfo"} & set(told["sockets"])


def test_the_probe_sees_what_it_looks_for() -> None:
    seen = run(PRELUDE + "import boto3, pymysql, socket\nsocket.socket().close()\ntell()")

    assert seen["heavy"] == ["boto3", "botocore.session", "pymysql", "zipfile"]
    assert seen["sockets"]
