"""A resolver or a Secrets Manager that never answers: nobody waits longer than agreed, and every loan is answered."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from lending import wiring
from lending.patience import FUNCTION_SECONDS, Patience
from local.servers.server import Server
from testkit.clock import WoundClock
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.service import TODAY, Answer, Service, wired

ASHA = 1001
SALARIED = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))
BUSY_SECONDS = 0.5
"""What a busy machine may take beside all waiting."""


@pytest.fixture
def environment(database: Database, redis_server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The stores; a customer; the patience of production."""
    database.add_customer(ASHA, SALARIED, [a_loan()] * 3)
    monkeypatch.setattr(wiring, "today", lambda: TODAY)
    monkeypatch.setattr(wiring, "patience", Patience())
    return database.environment | redis_server.environment


class SilentResolver:
    """Stands in for the system's resolver when no name server answers: addresses in digits need none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.over = threading.Event()
        self.asked = 0
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, *arguments: Any, **options: Any) -> Any:
        if not host.endswith(".silent"):
            return self._resolve(host, *arguments, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self.asked += 1
        self.over.wait(60)
        return self._resolve("127.0.0.1", *arguments, **options)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentResolver]:
    resolver = SilentResolver(monkeypatch)
    yield resolver
    resolver.over.set()


def timed(ask: Callable[[], Answer]) -> tuple[Answer, float]:
    started_at = time.monotonic()
    return ask(), time.monotonic() - started_at


def test_a_silent_resolver_of_the_caches_name_costs_a_quarter_of_a_second(
    environment: dict[str, str], resolver: SilentResolver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, threads = Service(), threading.active_count()
    with wired(environment | {"REDIS_HOST": "redis.silent"}, monkeypatch):
        answers = [timed(lambda: service.check(ASHA)), timed(lambda: service.create(ASHA, loan_amount=100))]
        answers += [timed(partial(service.create, ASHA, loan_amount=100, key=key)) for key in ("k1", "k2", "k3")]
        waiting = threading.active_count() - threads
        asked = resolver.asked
        resolver.over.set()
        time.sleep(0.1)
        recovered = service.create(ASHA, loan_amount=100)

    assert [answer.status for answer, _ in answers] == [200, 201, 201, 201, 201]
    assert recovered.status == 201
    assert max(seconds for _, seconds in answers) < Patience().cache_total + BUSY_SECONDS
    assert (waiting, asked) == (1, 1)
    assert database.execute("SELECT COUNT(*) - 3 FROM loans") == ((5,),)


def test_a_silent_resolver_of_the_databases_name_costs_as_much_as_a_silent_server(
    environment: dict[str, str], resolver: SilentResolver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, threads = Service(), threading.active_count()
    hasty = Patience(database_connect=1)
    monkeypatch.setattr(wiring, "patience", hasty)
    with wired(environment | {"DB_HOST": "database.silent"}, monkeypatch):
        answers = [timed(lambda: service.check(ASHA)), timed(lambda: service.create(ASHA))]
        waiting = threading.active_count() - threads
        resolver.over.set()
        time.sleep(0.1)
        recovered = service.create(ASHA)

    assert [answer.status for answer, _ in answers] == [503, 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer, _ in answers)
    assert max(seconds for _, seconds in answers) < hasty.database_connect + hasty.cache_total + BUSY_SECONDS
    assert (waiting, resolver.asked) == (1, 1)
    assert recovered.status == 201
    assert database.execute("SELECT COUNT(*) - 3 FROM loans") == ((1,),)


# --- Secrets Manager --------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A Secrets Manager that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name, value in {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield listener


@pytest.mark.usefixtures("silent_secrets")
def test_a_silent_secret_of_the_cache_costs_a_second_once_a_minute(
    environment: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, service = WoundClock(monkeypatch, frozen=True), Service()
    with wired(environment | {"REDIS_SECRET_ID": "lending/cache"}, monkeypatch):
        first, first_seconds = timed(lambda: service.create(ASHA))
        others = [timed(lambda: service.create(ASHA, loan_amount=100)) for _ in range(3)]
        clock.pass_by(59)
        within_a_minute = timed(lambda: service.create(ASHA, loan_amount=100))
        clock.pass_by(120)
        after_it, after_seconds = timed(lambda: service.create(ASHA, loan_amount=100))

    everything = [first, after_it, within_a_minute[0], *[answer for answer, _ in others]]
    assert {answer.status for answer in everything} == {201}
    assert first_seconds < Patience().cache_login + Patience().cache_total + 2 * BUSY_SECONDS
    assert max(seconds for _, seconds in [*others, within_a_minute]) < Patience().cache_total + BUSY_SECONDS
    assert after_seconds < Patience().cache_login + Patience().cache_total + 2 * BUSY_SECONDS
    assert database.execute("SELECT COUNT(*) - 3 FROM loans") == ((len(everything),),)


@pytest.mark.usefixtures("silent_secrets")
def test_a_silent_secret_of_the_database_is_an_outage_within_the_functions_time(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = Patience(database_login=1.5)
    monkeypatch.setattr(wiring, "patience", hasty)
    with wired(environment | {"DB_SECRET_ID": "lending/database"}, monkeypatch):
        answer, seconds = timed(lambda: Service().create(ASHA))

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert seconds < hasty.database_login + hasty.cache_total + 2 * BUSY_SECONDS
    real = Patience()
    assert max(real.database_connect, real.database_login) + real.cache_total + 2 * BUSY_SECONDS < FUNCTION_SECONDS
