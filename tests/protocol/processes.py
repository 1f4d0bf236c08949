"""The functions that the processes of a history call, each in its own execution environment."""

import time
from contextlib import suppress
from typing import NamedTuple

from functions.refresh_cache.app import lambda_handler as refresh
from lending import wiring
from lending.patience import Patience
from lending.ports import CacheAwayError
from local.front.lambda_context import LambdaContext
from testkit.service import Service
from tests.protocol.interleavings import LOANS_BEHIND, TODAY
from tests.protocol.naive import NaiveScoreCache

PATIENCE_SECONDS = 0.5
"""How long a request waits for a lost reply."""
PATIENCE = Patience(
    time_to_answer=1.9,
    cache_total=1.7,
    cache_connect=PATIENCE_SECONDS,
    cache_reply=PATIENCE_SECONDS,
    cache_peek=PATIENCE_SECONDS,
    cache_write=PATIENCE_SECONDS + 0.1,
    second_pass=-1,
)

APPLICATION = {"loan_amount": 100000, "interest_rate": 12, "tenure": 12}


class Seen(NamedTuple):
    """The outcome of one request."""

    started_at: float
    ended_at: float
    status: int
    loans: int
    """For a check: the number of new loans in its score."""


def use_naive() -> None:
    """Replace our cache with the naive one."""
    wiring.score_cache = lambda: NaiveScoreCache(wiring.redis_connection(), wiring.keyspace(), wiring.patience)


def request(path: str, customer_id: int, delay_seconds: float) -> Seen:
    """Send a request after a delay."""
    wiring.today = lambda: TODAY
    # Only the history loses a command. A busy machine must lose none of its own.
    wiring.patience = PATIENCE
    # Each history starts with a closed breaker. An open one asks Redis nothing, and so proves nothing.
    wiring.redis_connection().breaker.succeeded()
    time.sleep(delay_seconds)
    started_at = time.monotonic()
    answer = Service().post(
        path, {"customer_id": customer_id, "loan_amount": 100000, "interest_rate": 12, "tenure": 12}
    )
    ended_at = time.monotonic()
    loans = LOANS_BEHIND[answer.body["credit_score"]] if "credit_score" in answer.body else 0
    return Seen(started_at, ended_at, answer.status, loans)


def sweep() -> None:
    """Run refresh_cache until the outbox is empty."""
    wiring.patience = PATIENCE
    wiring.today = lambda: TODAY
    while True:
        with suppress(CacheAwayError):  # a fault may still be active
            if refresh({}, LambdaContext("refresh", timeout_seconds=50))["swept"] == 0:
                return
