"""What Redis refuses and will go on refusing is told apart from an outage, and logged without a value."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from lending import wiring
from lending.adapters import breaker
from lending.adapters.logins import GivenLogin
from local.servers.redis_server import start_redis
from local.servers.server import Server, ServerError, free_port
from testkit.certificates import Authority
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.proxy import HOST, Action, Fate, Proxy
from testkit.service import Service, wired

ASHA = 1001
SALARIED = Customer(monthly_salary=Decimal(91_234), approved_limit=Decimal(3_000_000))
PASSWORD = "swordfish"
SECRETS = ("91234", "3000000", PASSWORD, "hunter2")
"""Values of a document, and passwords."""


@pytest.fixture
def service(service: Service, database: Database) -> Service:
    database.add_customer(ASHA, SALARIED, [a_loan()] * 3)
    return service


@contextmanager
def errors(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Collect what is logged meanwhile, and see that nothing secret is in it."""
    caplog.clear()
    told: list[str] = []
    yield told
    told += [str(getattr(r, "reason", "")) for r in caplog.records if r.levelno >= logging.ERROR]
    everything = " ".join(str(vars(record)) for record in caplog.records)
    assert [secret for secret in SECRETS if secret in everything] == []


def count(metric: str, capfd: pytest.CaptureFixture[str]) -> int:
    return capfd.readouterr().out.count(f'"{metric}":[1]')


# --- commands that an ACL forbids -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_redis(tmp_path_factory.mktemp("guarded")) as server:
        yield server


def enter_without(command: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service enter as a user who may do everything but this."""
    with redis.Redis(host=server.host, port=server.port) as administrator:
        administrator.flushall()
        administrator.execute_command(
            "ACL", "SETUSER", "lending", "reset", "on", f">{PASSWORD}", "~*", "+@all", f"-{command}"
        )
        administrator.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    monkeypatch.setattr(wiring, "_redis_login", lambda: GivenLogin("lending", PASSWORD))


@pytest.mark.parametrize("command", ["eval", "select", "set", "pttl"])
def test_a_command_that_a_look_up_needs_and_may_not_send_is_a_mistake(
    command: str,
    service: Service,
    guarded: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.check(ASHA)
    entry = redis.Redis(host=guarded.host, port=guarded.port, db=1)
    enter_without(command, guarded, monkeypatch)
    with wired(guarded.environment, monkeypatch), entry, errors(caplog) as told:
        entry.set(f"credit_score:{ASHA}", b"{}")  # there is something to look at
        answer = service.check(ASHA)

    assert (answer.status, answer.cache_status) == (200, "fwd=bypass; detail=misconfigured")
    assert told
    assert all(("NOPERM" in reason or "ACL" in reason or "user" in reason) for reason in told), told


@pytest.mark.parametrize("command", ["set", "del", "getex"])
def test_a_command_that_a_loan_needs_and_may_not_send_is_a_mistake(
    command: str,
    service: Service,
    guarded: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    enter_without(command, guarded, monkeypatch)
    with wired(guarded.environment, monkeypatch), errors(caplog) as told:
        answer = service.create(ASHA)

    assert answer.status == 201
    assert told
    if command == "del":
        assert count("CacheUnavailable", capfd) == 1, "the delete was not confirmed"


def test_a_fill_that_is_forbidden_is_counted_and_logged(
    service: Service,
    guarded: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The look-up needs no GET, the fill does."""
    enter_without("get", guarded, monkeypatch)
    with wired(guarded.environment, monkeypatch), errors(caplog) as told:
        answer = service.check(ASHA)

    assert (answer.status, answer.cache_status) == (200, "fwd=miss")
    assert count("CacheUnavailable", capfd) == 1
    assert told


def test_a_note_for_the_renewal_that_is_forbidden_is_logged_and_costs_no_hit(
    service: Service, guarded: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    enter_without("sadd", guarded, monkeypatch)
    with wired(guarded.environment, monkeypatch), errors(caplog) as told:
        service.check(ASHA)
        with redis.Redis(host=guarded.host, port=guarded.port, db=1) as administrator:
            administrator.expire(f"credit_score:{ASHA}", 60)
        answer = service.check(ASHA)

    assert (answer.status, answer.cache_status) == (200, "hit")
    assert told


# --- other mistakes ---------------------------------------------------------------------------------------------------


def test_a_script_command_by_another_name_is_a_mistake(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        start_redis(tmp_path, None, "--rename-command", "EVAL", "") as server,
        wired(server.environment, monkeypatch),
        errors(caplog) as told,
    ):
        answer = service.check(ASHA)

    assert answer.cache_status == "fwd=bypass; detail=misconfigured"
    assert "unknown command" in told[0]


def test_a_refused_login_is_a_mistake_even_where_anybody_may_do_everything(
    service: Service, guarded: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiring, "_redis_login", lambda: GivenLogin("nobody", "hunter2"))
    with wired(guarded.environment, monkeypatch), errors(caplog) as told:
        answers = [service.check(ASHA), service.create(ASHA)]

    assert [answer.cache_status for answer in answers] == ["fwd=bypass; detail=misconfigured"] * 2
    assert told


class TlsRedis:
    """A Redis over TLS, with options of one's own."""

    def __init__(self, folder: Path, *, host: str = HOST) -> None:
        self.authority = Authority(folder / "ca.pem")
        self.certificate, self.key = folder / "server.pem", folder / "server-key.pem"
        self.authority.certify(host, self.certificate, self.key)
        self.port = free_port()

    @contextmanager
    def running(self, folder: Path, *others: str) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(start_redis(folder, None, *self._options(*others)))
            except ServerError:
                with start_redis(folder):
                    pytest.skip("this Redis was built without TLS")
            yield

    def _options(self, *others: str) -> list[str]:
        files = ("--tls-cert-file", str(self.certificate), "--tls-key-file", str(self.key))
        trust = ("--tls-ca-cert-file", str(self.authority.certificate), "--tls-auth-clients", "no")
        return ["--tls-port", str(self.port), *files, *trust, *others]

    def environment(self, authority: Path | None) -> dict[str, str]:
        given = {"REDIS_HOST": HOST, "REDIS_PORT": str(self.port), "REDIS_TLS": "true"}
        return given if authority is None else given | {"REDIS_TLS_CA": str(authority)}


def test_the_right_authority_lets_the_cache_be_used(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = TlsRedis(tmp_path)
    with (
        tls.running(tmp_path / "redis"),
        wired(tls.environment(tls.authority.certificate), monkeypatch),
    ):
        answers = [service.check(ASHA), service.check(ASHA)]

    assert [answer.cache_status for answer in answers] == ["fwd=miss; stored", "hit"]


CERTIFICATES: dict[str, Callable[[Path], tuple[TlsRedis, Path | None, tuple[str, ...]]]] = {
    "an authority that nobody trusts": lambda folder: (TlsRedis(folder), None, ()),
    "another authority": lambda folder: (TlsRedis(folder), Authority(folder / "other.pem").certificate, ()),
    "another name": lambda folder: ((tls := TlsRedis(folder, host="elsewhere")), tls.authority.certificate, ()),
    "a bundle that is not there": lambda folder: (TlsRedis(folder), folder / "none.pem", ()),
    "an old TLS": lambda folder: (
        (tls := TlsRedis(folder)),
        tls.authority.certificate,
        ("--tls-protocols", "TLSv1.2"),
    ),
}


@pytest.mark.parametrize("make", CERTIFICATES.values(), ids=CERTIFICATES)
def test_what_tls_will_not_agree_on_is_a_mistake(
    make: Callable[[Path], tuple[TlsRedis, Path | None, tuple[str, ...]]],
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tls, authority, others = make(tmp_path)
    with (
        tls.running(tmp_path / "redis", *others),
        wired(tls.environment(authority), monkeypatch),
        errors(caplog) as told,
    ):
        answers = [service.check(ASHA), service.create(ASHA)]

    assert [answer.status for answer in answers] == [200, 201]
    assert [answer.cache_status for answer in answers] == ["fwd=bypass; detail=misconfigured"] * 2
    assert told


# --- replies on the wire ----------------------------------------------------------------------------------------------

WORDS = {
    "LOADING Redis is loading the dataset in memory": "unavailable",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL": "unavailable",
    "OOM command not allowed when used memory > 'maxmemory'.": "unavailable",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "unavailable",
    "READONLY You can't write against a read only replica.": "unavailable",
    "CLUSTERDOWN The cluster is down": "unavailable",
    "TRYAGAIN Multiple keys request during rehashing of slot": "unavailable",
    "NOREPLICAS Not enough good replicas to write.": "unavailable",
    "UNKILLABLE Sorry the script already executed write commands": "unavailable",
    "ERR max number of clients reached": "unavailable",
    "NOPERM User lending has no permissions to run the 'eval' command": "misconfigured",
    "NOAUTH Authentication required.": "misconfigured",
    "WRONGPASS invalid username-password pair or user is disabled.": "misconfigured",
    "ERR DB index is out of range": "misconfigured",
    "ERR unknown command 'EVAL', with args beginning with: '91234' '3000000'": "misconfigured",
    "ERR Error running script (call to f_91234): @user_script:1: 91234": "misconfigured",
    "MISCONF Redis is configured to save RDB snapshots": "misconfigured",
    "MOVED 3999 127.0.0.1:1": "unavailable",
}


@pytest.mark.parametrize(("words", "detail"), WORDS.items(), ids=[words.split()[0] for words in WORDS])
def test_an_error_that_redis_replies_passes_or_is_a_mistake(
    words: str,
    detail: str,
    service: Service,
    redis_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse_scripts(piece: bytes) -> Fate:
        return f"-{words}\r\n".encode() if b"EVAL" in piece else Action.PASS

    with (
        Proxy(redis_server.host, redis_server.port) as proxy,
        wired({"REDIS_PORT": str(proxy.port), "REDIS_DB": "0"}, monkeypatch),
        errors(caplog) as told,
    ):
        proxy.on_request = refuse_scripts
        answer = service.check(ASHA)

    assert (answer.status, answer.cache_status) == (200, f"fwd=bypass; detail={detail}")
    assert bool(told) == (detail == "misconfigured")
    # The client's own word for the codes of logins is the class of the error.
    code = words.partition(" ")[0].replace("NOAUTH", "AuthenticationError").replace("WRONGPASS", "AuthenticationError")
    assert all(code in reason for reason in told)


def test_a_mistake_opens_the_breaker_as_an_outage_does(
    service: Service, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_redis_login", lambda: GivenLogin("nobody", "hunter2"))
    with wired(guarded.environment, monkeypatch):
        for _ in range(breaker.FAILURES_TO_OPEN):
            service.check(ASHA)

        assert service.check(ASHA).cache_status == "fwd=bypass; detail=breaker-open"


# --- two stacks on one Redis ------------------------------------------------------------------------------------------


def test_another_databases_documents_are_misses(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the mark follows from where the database is: staging has another than production."""
    service.check(ASHA)
    elsewhere = {"DB_HOST": "localhost"} if database.environment["DB_HOST"] != "localhost" else {"DB_HOST": HOST}
    with wired(elsewhere, monkeypatch):
        first, peeked, second = service.check(ASHA), service.create(ASHA, loan_amount=9_000_000), service.check(ASHA)
    with wired(database.environment, monkeypatch):
        back = service.check(ASHA)

    assert [first.cache_status, peeked.cache_status, second.cache_status] == ["fwd=miss; stored", "hit", "hit"]
    assert back.cache_status == "fwd=miss; stored"


def test_a_mark_that_changes_with_a_restore_lets_nothing_older_be_served(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.check(ASHA)
    with wired({"DB_MARK": "restored-2024-06-15"}, monkeypatch):
        declined = service.create(ASHA, loan_amount=9_000_000)
        checked = service.check(ASHA)

    assert [declined.cache_status, checked.cache_status] == ["fwd=miss", "fwd=miss; stored"]


def test_a_prefix_keeps_two_stacks_apart_altogether(
    service: Service, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    for prefix in ("staging:", "production:"):
        with wired({"REDIS_KEY_PREFIX": prefix}, monkeypatch):
            answers += [service.check(ASHA).cache_status, service.check(ASHA).cache_status]
    with wired({"REDIS_KEY_PREFIX": "staging:"}, monkeypatch):
        again = service.check(ASHA)

    assert answers == ["fwd=miss; stored", "hit"] * 2
    assert again.cache_status == "hit"
    assert set(redis_client.keys()) == {b"staging:credit_score:1001", b"production:credit_score:1001"}
