"""An environment that Lambda has frozen: its monotonic clock stood still, and whatever counts from then on knows."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from lending import clock, wiring
from lending.adapters.aws_secrets import SecretsManagerLogin
from lending.adapters.logins import Login, LoginUnavailableError
from local.servers.server import Server
from testkit.clock import WoundClock
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.proxy import HOST, Proxy
from testkit.service import Service, wired

ASHA, BIRGIT = 1001, 1002
SALARIED = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> WoundClock:
    return WoundClock(monkeypatch, frozen=True)


@pytest.fixture(params=[False, True], ids=["running", "frozen"])
def wound(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WoundClock:
    return WoundClock(monkeypatch, frozen=request.param)


def test_time_passes_by_the_clock_that_went_further(wound: WoundClock) -> None:
    moment = clock.now()
    wound.pass_by(100)
    after_a_while = clock.seconds_since(moment)
    set_back = moment._replace(wall=moment.wall + 7200)  # the wall clock was two hours ahead, and was put right

    assert 100 <= after_a_while < 110
    assert clock.seconds_since(set_back) < 110


@pytest.fixture
def proxies(database: Database, redis_server: Server) -> Iterator[tuple[Proxy, Proxy]]:
    """What the service takes for the database, and for Redis."""
    for customer_id in (ASHA, BIRGIT):
        database.add_customer(customer_id, SALARIED, [a_loan()] * 3)
    with (
        Proxy(database.environment["DB_HOST"], int(database.environment["DB_PORT"])) as mysql,
        Proxy(redis_server.host, redis_server.port) as cache,
    ):
        yield mysql, cache


def test_a_flow_that_was_forgotten_while_frozen_is_not_asked_again(
    service: Service, proxies: tuple[Proxy, Proxy], frozen: WoundClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes by the old connections is swallowed, as a firewall does with flows that it has forgotten."""
    mysql, cache = proxies
    places = {"DB_PORT": str(mysql.port), "REDIS_HOST": HOST, "REDIS_PORT": str(cache.port)}
    with wired(places, monkeypatch):
        service.check(BIRGIT)
        old = [wiring.database()._connection, wiring.redis_connection()._connection]
        for proxy in proxies:
            proxy.forget_flows()
        frozen.pass_by(wiring.patience.database_idle + 1)
        started_at = time.monotonic()
        checked, lent = service.check(ASHA), service.create(ASHA)
        seconds = time.monotonic() - started_at
        new = [wiring.database()._connection, wiring.redis_connection()._connection]

    assert (checked.status, checked.cache_status) == (200, "fwd=miss; stored")
    assert lent.status == 201
    assert seconds < wiring.patience.database_reply, "nobody waited for what will not come"
    assert not set(map(id, old)) & set(map(id, new))


class Fetched:
    """Counts the fetches of a secret, which fail until there is a password."""

    def __init__(self) -> None:
        self.password: str | None = None
        self.count = 0

    def __call__(self) -> Login:
        self.count += 1
        if self.password is None:
            raise LoginUnavailableError("The login could not be fetched: EndpointConnectionError.")
        return Login("lending", self.password)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Fetched:
    fetched = Fetched()
    monkeypatch.setattr(SecretsManagerLogin, "_fetch", lambda _: fetched())
    return fetched


@pytest.fixture
def login(fetched: Fetched) -> SecretsManagerLogin:
    assert fetched.count == 0, "nothing is fetched but by this"
    return SecretsManagerLogin("lending/cache", wait_seconds=1, retry_seconds=60, refetch_seconds=1)


def test_a_secret_that_could_not_be_had_is_fetched_again_after_a_minute(
    login: SecretsManagerLogin, fetched: Fetched, wound: WoundClock
) -> None:
    for _ in range(3):
        with pytest.raises(LoginUnavailableError):
            login.current()
    fetched_at_once = fetched.count
    fetched.password = "swordfish"
    wound.pass_by(59)
    with pytest.raises(LoginUnavailableError):
        login.current()
    wound.pass_by(2)

    assert login.current().password == "swordfish"
    assert (fetched_at_once, fetched.count) == (1, 2)


def test_a_secret_that_was_refused_is_fetched_again_after_a_second(
    login: SecretsManagerLogin, fetched: Fetched, wound: WoundClock
) -> None:
    fetched.password = "old"
    login.current()
    fetched.password = "new"

    too_soon = login.renewed().password
    wound.pass_by(1.1)

    assert too_soon == "old"
    assert login.renewed().password == "new"
    assert fetched.count == 2
