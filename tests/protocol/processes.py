"""The functions that the processes of a history call, each in its own execution environment."""

import socket
import threading
import time
from contextlib import suppress
from typing import Any, NamedTuple

from functions.refresh_cache.app import lambda_handler as refresh
from lending import wiring
from lending.patience import Patience
from lending.ports import CacheAwayError
from local.front.lambda_context import LambdaContext
from testkit.service import Service
from tests.protocol.interleavings import BEHIND, TODAY, Behind
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
    behind: Behind
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
    for node in wiring.redis_connection()._nodes.values():
        node.breaker.succeeded()
    time.sleep(delay_seconds)
    started_at = time.monotonic()
    answer = Service().post(
        path, {"customer_id": customer_id, "loan_amount": 100000, "interest_rate": 12, "tenure": 12}
    )
    ended_at = time.monotonic()
    behind = BEHIND[answer.body["credit_score"]] if "credit_score" in answer.body else Behind(0, 0)
    return Seen(started_at, ended_at, answer.status, behind)


def connect_to_database(customer_id: int) -> None:
    """Open a new connection to the database and keep it."""
    wiring.database().forget()
    wiring.loan_store().credit_record(customer_id, TODAY)


def silence_names() -> None:
    """Leave the cache's connection, and let the resolver answer nothing until it is told to."""
    wiring.redis_connection().close()
    wiring.redis_connection()._names.forget()
    RESOLVER.answers.clear()


def answer_names() -> None:
    """Let the resolver answer again."""
    RESOLVER.answers.set()


class Resolver:
    """The resolver of this process; may be silent."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self._look_up = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == CACHE_NAME and not kwargs.get("flags"):
            self.answers.wait()
        return self._look_up(host, *args, **kwargs)


CACHE_NAME = "localhost"
RESOLVER = Resolver()
"""Stands between this process and its resolver once use_resolver() has been called."""


def use_resolver() -> None:
    """Ask RESOLVER from now on."""
    socket.getaddrinfo = RESOLVER


def refresh_beside() -> None:
    """Refresh the cache as production does: a sweep every second, without an end."""
    while True:
        _refresh(60)


def sweep() -> int:
    """Run refresh_cache until the outbox is empty; return how many entries the inspections found wrong."""
    wrong = 0
    while True:
        report = _refresh(50)
        if report is not None:
            wrong += report["mismatches"]
            if report["swept"] == 0:
                return wrong


def _refresh(seconds: float) -> dict[str, int] | None:
    wiring.patience = PATIENCE
    wiring.today = lambda: TODAY
    with suppress(CacheAwayError):  # a fault may still be active
        return refresh({}, LambdaContext("refresh", timeout_seconds=seconds))
    return None
