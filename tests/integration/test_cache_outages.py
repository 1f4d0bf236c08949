"""Every request gets the right response whatever happens to Redis, and hits return when Redis does."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import redis

from lending import wiring
from lending.adapters import breaker
from lending.adapters.redis_scripts import DELETE_UNLESS_MARKED, SET_MARKER
from lending.patience import Patience
from local.servers.redis_server import in_container, start_redis
from local.servers.server import Server
from testkit.clock import WoundClock
from testkit.database import Database
from testkit.fakes import Customer, FakeScoreCache, a_loan
from testkit.proxy import HOST, Action, Proxy, pass_all
from testkit.service import Answer, Service, use_patience, wired

CUSTOMER = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
LENT_TO, CHECKED = 1001, 1002
"""Two customers with the same record. One has an entry and borrows in an outage, the other's entry stays right."""

FAR_TOO_LONG_SECONDS = 2.0
"""Only a request that waits for a silent Redis takes this long. Speed is measured, not asserted."""


class Cache(NamedTuple):
    """The test's own Redis, with its proxy and clients."""

    server: Server
    proxy: Proxy
    """The proxy that the service connects to."""
    client: redis.Redis
    """A client that goes to the server directly."""
    another: Server


class Outage(NamedTuple):
    """Something that happens to a Redis in use, and its end."""

    begin: Callable[[Cache], object]
    end: Callable[[Cache], object]
    detail: str = "unavailable"


def passes_again(cache: Cache) -> None:
    cache.proxy.pass_on()


def garbled(garbage: bytes) -> Outage:
    return Outage(lambda cache: cache.proxy.answer(garbage), passes_again)


def demand_password(cache: Cache) -> None:
    cache.client.config_set("requirepass", "secret")
    drop_clients(cache)  # existing connections stay


def drop_clients(cache: Cache) -> None:
    cache.client.client_kill_filter(_type="normal", skipme=True)


OUTAGES = {
    "refuses": Outage(lambda cache: cache.proxy.refuse(), passes_again),
    "was killed": Outage(lambda cache: cache.server.kill(), lambda cache: cache.server.start()),
    "is frozen": Outage(lambda cache: cache.server.pause(), lambda cache: cache.server.resume()),
    "is cut off": Outage(lambda cache: cache.proxy.freeze(), passes_again),
    "answers noise": garbled(bytes(range(256)) + b"\r\n"),
    "answers in HTTP": garbled(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "answers a number": garbled(b":1\r\n"),
    "answers an array": garbled(b"*2\r\n$1\r\na\r\n:1\r\n"),
    "answers a length that is none": garbled(b"$many\r\n"),
    "announces a huge answer": garbled(b"$4294967296\r\nx"),
    "resets before a reply": Outage(lambda cache: cache.proxy.cut_replies(after_bytes=0), passes_again),
    "resets in mid-reply": Outage(lambda cache: cache.proxy.cut_replies(after_bytes=2), passes_again),
    "demands a password": Outage(
        demand_password, lambda cache: cache.client.config_set("requirepass", ""), detail="misconfigured"
    ),
    "denies the key": Outage(
        lambda cache: cache.client.acl_setuser("default", enabled=True, nopass=True, reset_keys=True),
        lambda cache: cache.client.acl_setuser("default", enabled=True, nopass=True, keys=["*"]),
        detail="misconfigured",
    ),
    "is demoted": Outage(
        lambda cache: cache.client.replicaof(cache.another.host, cache.another.port),
        lambda cache: cache.client.replicaof("NO", "ONE"),
    ),
    "is full": Outage(
        lambda cache: cache.client.config_set("maxmemory", 1), lambda cache: cache.client.config_set("maxmemory", 0)
    ),
}


@pytest.fixture
def cache(tmp_path: Path, redis_server: Server) -> Iterator[Cache]:
    with (
        start_redis(tmp_path / "redis") as server,
        Proxy(server.host, server.port) as proxy,
        redis.Redis(host=server.host, port=server.port, db=1) as client,
    ):
        yield Cache(server, proxy, client, another=redis_server)


@pytest.fixture
def service(service: Service, database: Database, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The handlers, with the proxy between them and Redis, and two customers."""
    for customer_id in (LENT_TO, CHECKED):
        database.add_customer(customer_id, CUSTOMER, [a_loan()] * 3)
    with wired({"REDIS_HOST": HOST, "REDIS_PORT": str(cache.proxy.port)}, monkeypatch):
        yield service


@pytest.fixture
def impatient(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # sets it after `service` has
    """The service waits for Redis only as long as in production. A busy machine may need longer at any time."""
    use_patience(monkeypatch, Patience())


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service wait for Redis as long as a busy machine may need, from the next connection on."""
    use_patience(monkeypatch, Patience.relaxed())


@pytest.fixture(params=[False, True], ids=["running", "frozen"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WoundClock:
    return WoundClock(monkeypatch, frozen=request.param)


def logs_an_error(caplog: pytest.LogCaptureFixture) -> bool:
    return any(record.levelno >= logging.ERROR for record in caplog.records)


def open_breaker(service: Service) -> None:
    for _ in range(breaker.FAILURES_TO_OPEN):
        service.check(CHECKED)


def assert_answers_are_right(service: Service, detail: str) -> None:
    """Check, lend, check again and decline. The second score counts the loan, so no older one was used."""
    started_at = time.monotonic()
    first = service.check(LENT_TO)
    loan = service.create(LENT_TO)
    after_loan = service.check(LENT_TO)
    declined = service.create(LENT_TO, loan_amount=9000000)
    elapsed_seconds = time.monotonic() - started_at

    assert (first.status, first.body["credit_score"], first.body["approval"]) == (200, 48, True)
    assert (loan.status, loan.body["loan_approved"]) == (201, True)
    assert (after_loan.status, after_loan.body["credit_score"]) == (200, 51)
    assert (declined.status, declined.body["reason_codes"]) == (200, ["INSTALLMENTS_OVER_HALF_SALARY"])
    assert first.cache_status == f"fwd=bypass; detail={detail}"
    assert after_loan.cache_status is not None
    assert after_loan.cache_status.startswith("fwd=bypass; detail=")
    assert elapsed_seconds < 4 * FAR_TOO_LONG_SECONDS


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_answers_are_right_once_redis(
    outage: Outage, service: Service, cache: Cache, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    service.check(LENT_TO)  # leaves an open connection and an entry
    outage.begin(cache)

    assert_answers_are_right(service, outage.detail)

    assert database.execute("SELECT COUNT(*) FROM loans WHERE customer_id = %s", [LENT_TO]) == ((4,),)
    assert logs_an_error(caplog) == (outage.detail == "misconfigured")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_hits_come_back_after_redis(
    outage: Outage, service: Service, cache: Cache, clock: WoundClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage.begin(cache)
    open_breaker(service)
    outage.end(cache)

    be_patient(monkeypatch)
    too_soon = service.check(CHECKED)
    clock.pass_by(wiring.patience.breaker_open)
    first = service.check(CHECKED)
    if first.cache_status == "fwd=miss":
        # A look-up that was given up has arrived later. Its lease holds for five seconds.
        cache.client.delete(f"credit_score:{CHECKED}")
        first = service.check(CHECKED)
    second = service.check(CHECKED)

    assert too_soon.cache_status == "fwd=bypass; detail=breaker-open"
    assert first.cache_status == "fwd=miss; stored"
    assert second.cache_status == "hit"
    assert second.body == too_soon.body


# --- a Redis that was never of use ------------------------------------------------------------------------------------

Misfortune = Callable[[Path], AbstractContextManager[Mapping[str, str]]]


@contextmanager
def on_a_port_where_nobody_listens(_: Path) -> Iterator[Mapping[str, str]]:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield {"REDIS_PORT": str(bound.getsockname()[1])}


@contextmanager
def behind_a_name_without_address(_: Path) -> Iterator[Mapping[str, str]]:
    yield {"REDIS_HOST": "redis.invalid"}


@contextmanager
def never_accepting(_: Path) -> Iterator[Mapping[str, str]]:
    """When its backlog is full, Linux drops packets that open a connection, like a firewall."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _attempt in range(2):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield {"REDIS_PORT": str(listener.getsockname()[1])}


@contextmanager
def without_database_1(folder: Path) -> Iterator[Mapping[str, str]]:
    with start_redis(folder, None, "--databases", "1") as server:
        yield server.environment


@contextmanager
def in_cluster_mode(folder: Path) -> Iterator[Mapping[str, str]]:
    with start_redis(folder, None, "--cluster-enabled", "yes") as server:
        yield server.environment


@contextmanager
def without_room_for_clients(folder: Path) -> Iterator[Mapping[str, str]]:
    with (
        start_redis(folder, None, "--maxclients", "1") as server,
        redis.Redis(host=server.host, port=server.port) as only_client,
    ):
        only_client.ping()
        yield server.environment


@contextmanager
def loading_its_dataset(folder: Path) -> Iterator[Mapping[str, str]]:
    if in_container():
        pytest.skip("a server's data ends with its container")
    with start_redis(folder) as server:
        with redis.Redis(host=server.host, port=server.port) as client:
            client.mset({f"key:{number}": os.urandom(2048) for number in range(500)})
            client.save()
        server.stop()
        # Loads for 5 seconds: one key every 10 ms. It looks at its connections after each.
        slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
        with start_redis(folder, server.port, *slowly):
            yield server.environment


MISFORTUNES: dict[str, tuple[Misfortune, str]] = {
    "on a port where nobody listens": (on_a_port_where_nobody_listens, "unavailable"),
    "behind a name without address": (behind_a_name_without_address, "unavailable"),
    "never accepting": (never_accepting, "unavailable"),
    "without room for clients": (without_room_for_clients, "unavailable"),
    "loading its dataset": (loading_its_dataset, "unavailable"),
    "without database 1": (without_database_1, "misconfigured"),
    "in cluster mode": (in_cluster_mode, "misconfigured"),
}


@pytest.mark.parametrize(("misfortune", "detail"), MISFORTUNES.values(), ids=MISFORTUNES)
def test_answers_are_right_with_redis(
    misfortune: Misfortune,
    detail: str,
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with misfortune(tmp_path / "another") as environment, wired(environment, monkeypatch):
        assert_answers_are_right(service, detail)

    assert logs_an_error(caplog) == (detail == "misconfigured")


# --- what the breaker spares, and whom it does not stop ---------------------------------------------------------------


def test_an_open_breaker_lets_one_probe_through_and_nothing_else(
    service: Service, cache: Cache, clock: WoundClock
) -> None:
    pieces: list[bytes] = []

    def cut(piece: bytes) -> Action:
        pieces.append(piece)
        return Action.CUT

    cache.proxy.on_request = cut
    open_breaker(service)
    pieces.clear()

    service.check(CHECKED)
    service.create(CHECKED, loan_amount=9000000)
    asked_while_open = len(pieces)
    clock.pass_by(wiring.patience.breaker_open)
    for _ in range(3):
        service.check(CHECKED)
    asked_by_probe = len(pieces) - asked_while_open

    assert asked_while_open == 0
    assert asked_by_probe == 1


@pytest.mark.parametrize("lost_command", [b"none", SET_MARKER.encode(), DELETE_UNLESS_MARKED.encode()])
def test_a_loan_leaves_no_older_entry_although_the_breaker_is_open(
    lost_command: bytes, service: Service, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries to put its marker and to delete the entry, and either is enough."""
    be_patient(monkeypatch)
    service.check(LENT_TO)
    cache.proxy.refuse()
    open_breaker(service)
    cache.proxy.pass_on()
    cache.proxy.on_request = lambda piece: Action.CUT if lost_command in piece else Action.PASS

    loan = service.create(LENT_TO)
    begin_of_entry = cache.client.getrange(f"credit_score:{LENT_TO}", 0, 5)

    assert loan.status == 201
    assert loan.cache_status == "fwd=bypass; detail=breaker-open"
    assert begin_of_entry in {b"", b"write:"}


def test_a_loan_is_written_while_its_marker_is_on_its_way_and_committed_once_it_is_there(
    service: Service, cache: Cache, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It may take long until a proxy's thread has its turn.
    patience = replace(
        Patience.relaxed(), time_to_begin=8, time_to_commit=6, time_to_answer=5, cache_total=4.9, cache_write=2
    )
    use_patience(monkeypatch, patience)
    order: list[str] = []
    sent, written = threading.Event(), threading.Event()

    def hold_the_markers_reply(_: bytes) -> Action:
        written.wait(FAR_TOO_LONG_SECONDS / 2)
        time.sleep(0.02)  # for a COMMIT that would not wait
        order.append("reply")
        cache.proxy.on_reply = pass_all
        return Action.PASS

    def see_marker(piece: bytes) -> Action:
        if SET_MARKER.encode() in piece:
            order.append("marker")
            cache.proxy.on_reply = hold_the_markers_reply
            sent.set()
        return Action.PASS

    def see_statement(piece: bytes) -> Action:
        if b"INSERT INTO loans" in piece:
            sent.wait(FAR_TOO_LONG_SECONDS / 2)
        order.extend(word for word in ("INSERT INTO loans", "COMMIT") if word.encode() in piece)
        if b"INSERT INTO loans" in piece:
            written.set()
        return Action.PASS

    with Proxy(database.environment["DB_HOST"], int(database.environment["DB_PORT"])) as mysql:
        ports = {"DB_HOST": HOST, "DB_PORT": str(mysql.port), "REDIS_HOST": HOST, "REDIS_PORT": str(cache.proxy.port)}
        with wired(ports, monkeypatch):
            service.create(CHECKED)  # opens the connections
            cache.proxy.on_request = see_marker
            mysql.on_request = see_statement
            loan = service.create(LENT_TO)

    assert loan.status == 201
    assert order == ["marker", "INSERT INTO loans", "reply", "COMMIT"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("key", [None, "k1"])
def test_a_lost_marker_does_not_lose_the_delete_as_well_where_redis_is_slow(
    service: Service, cache: Cache, key: str | None
) -> None:
    """A failure does not make later commands of the request less likely to arrive."""
    service.check(LENT_TO)
    cache.proxy.delay(0.04)
    cache.proxy.on_request = lambda piece: Action.DROP if b"\r\nSET\r\n" in piece else Action.PASS

    loan = service.create(LENT_TO, key=key)
    cache.proxy.pass_on()

    assert loan.status == 201
    assert cache.client.get(f"credit_score:{LENT_TO}") is None


def test_a_huge_value_is_replaced_without_being_fetched(service: Service, cache: Cache) -> None:
    # A script of Redis copies the value, which takes 50 ms for each 10 MB: more of them would be a slow Redis.
    cache.client.set(f"credit_score:{CHECKED}", b"x" * 4_000_000)
    sent = cache.client.info("stats")["total_net_output_bytes"]

    peeked = service.create(CHECKED, loan_amount=9000000)
    checked = service.check(CHECKED)

    assert peeked.cache_status == "fwd=miss"
    assert checked.cache_status == "fwd=miss; stored"
    assert service.check(CHECKED).cache_status == "hit"
    assert cache.client.info("stats")["total_net_output_bytes"] - sent < 1_000_000


def test_a_slow_redis_is_of_use_again_after_a_failure(service: Service, cache: Cache) -> None:
    cache.proxy.refuse()
    service.check(CHECKED)
    cache.proxy.delay(0.05)

    first = service.check(CHECKED)
    second = service.check(CHECKED)

    assert first.cache_status == "fwd=miss; stored"
    assert second.cache_status == "hit"


# --- connections that the server has closed ---------------------------------------------------------------------------


def test_a_connection_closed_while_idle_costs_no_hit(service: Service, cache: Cache) -> None:
    service.check(CHECKED)

    drop_clients(cache)
    check = service.check(CHECKED)
    drop_clients(cache)
    declined = service.create(CHECKED, loan_amount=9000000)

    assert check.cache_status == "hit"
    assert declined.cache_status == "hit"


def test_a_restart_while_idle_costs_no_hit(service: Service, cache: Cache) -> None:
    service.check(CHECKED)
    entry = cache.client.get(f"credit_score:{CHECKED}")

    cache.server.kill()
    cache.server.start()
    cache.client.set(f"credit_score:{CHECKED}", entry or b"")

    assert service.check(CHECKED).cache_status == "hit"


def test_a_late_reply_is_not_taken_for_the_next_one(
    service: Service, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_patience(monkeypatch, Patience())
    in_time = threading.Event()
    cache.proxy.on_reply = lambda _: Action.PASS if in_time.wait(FAR_TOO_LONG_SECONDS) else Action.CUT

    late = service.check(LENT_TO)
    be_patient(monkeypatch)
    in_time.set()
    next_one = service.check(CHECKED)

    assert late.cache_status == "fwd=bypass; detail=unavailable"
    assert next_one.cache_status == "fwd=miss; stored"


def test_a_demoted_primary_is_left_at_once(service: Service, cache: Cache) -> None:
    service.check(CHECKED)
    OUTAGES["is demoted"].begin(cache)

    service.check(CHECKED)
    deadline = time.monotonic() + 5
    while len(clients := cache.client.client_list(_type="normal")) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)  # the server has yet to notice

    own = cache.client.client_info()["addr"]
    assert [client["addr"] for client in clients] == [own], "its address is asked for again"


# --- logins -----------------------------------------------------------------------------------------------------------


class Secret:
    """A secret in Secrets Manager that has another password every time it is fetched."""

    def __init__(self, *passwords: str) -> None:
        self._passwords = list(passwords)

    def current(self) -> SimpleNamespace:
        return SimpleNamespace(user="default", password=self._passwords[0])

    def renewed(self) -> SimpleNamespace:
        self._passwords = self._passwords[1:]
        return self.current()


def test_a_refused_password_is_bypassed_and_logged_as_an_error(
    service: Service, cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.client.config_set("requirepass", "secret")
    monkeypatch.setattr(wiring, "cache_login", lambda *_: Secret(*["wrong"] * 10))

    with wired({"REDIS_SECRET_ID": "redis"}, monkeypatch):
        assert_answers_are_right(service, "misconfigured")

    assert logs_an_error(caplog)


def test_a_rotated_password_is_fetched_again_and_costs_no_bypass(
    service: Service, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.client.config_set("requirepass", "new")
    monkeypatch.setattr(wiring, "cache_login", lambda *_: Secret("old", "new"))

    with wired({"REDIS_SECRET_ID": "redis"}, monkeypatch):
        first = service.check(CHECKED)
        second = service.check(CHECKED)

    assert first.cache_status == "fwd=miss; stored"
    assert second.cache_status == "hit"


# --- time -------------------------------------------------------------------------------------------------------------

MEASURED = {name: OUTAGES[name] for name in ("refuses", "is frozen", "answers noise")} | {
    "is 50 ms slow": Outage(lambda cache: cache.proxy.delay(0.05), passes_again)
}


def milliseconds(request: Callable[[], Answer]) -> float:
    started_at = time.perf_counter()
    status = request().status
    elapsed_seconds = time.perf_counter() - started_at
    assert status in {200, 201}
    return elapsed_seconds * 1000


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", MEASURED)
def test_the_time_that_an_outage_adds_is_bounded(
    name: str, service: Service, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints the times; `pytest -rP` shows them."""
    outage = MEASURED[name]
    requests: dict[str, Callable[[], Answer]] = {
        "check": lambda: service.check(LENT_TO),
        "create": lambda: service.create(LENT_TO, loan_amount=100),
    }
    added: dict[str, float] = {}

    for kind, request in requests.items():
        with wired({}, monkeypatch):
            with monkeypatch.context() as patch:
                patch.setattr(wiring, "score_cache", lambda: FakeScoreCache(away=True))
                uncached = min(milliseconds(request) for _ in range(5))
            outage.begin(cache)
            added[f"first {kind}, on a new connection"] = milliseconds(request) - uncached
            open_breaker(service)
            added[f"{kind} after three failures"] = milliseconds(request) - uncached
            outage.end(cache)
        with wired({}, monkeypatch):
            service.create(LENT_TO, loan_amount=100)  # opens both connections
            outage.begin(cache)
            added[f"first {kind}, on a kept connection"] = milliseconds(request) - uncached
            outage.end(cache)

    print(f"Redis {name}:", *(f"{kind} +{time_ms:.1f} ms" for kind, time_ms in added.items()), sep="\n  ")
    assert max(added.values()) < FAR_TOO_LONG_SECONDS * 1000
