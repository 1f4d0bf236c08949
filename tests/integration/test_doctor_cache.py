"""The doctor sees what the cache lacks: each check is made to fail on a real server."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from db.findings import Finding, Verdict
from doctor.cache import About, examine_cache
from doctor.commands import commands, name
from functions.refresh_cache import app as refresh_cache
from lending import wiring
from lending.adapters import redis_scripts
from lending.adapters.keyspace import Keyspace
from local.front.lambda_context import LambdaContext
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.certificates import CERTIFIED_HOST, Authority
from testkit.clock import WoundClock
from testkit.database import Database
from testkit.fakes import POLICY, Customer, a_loan
from testkit.service import TODAY, Service, wired

NO_DATABASE = {"DB_HOST": "127.0.0.1", "DB_NAME": "none", "DB_USER": "none"}
KEYSPACE = Keyspace(1, "", "mark")
USER, PASSWORD = "narrow", "swordfish"
ASHA = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))


def examined(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """Return what the doctor finds of a cache, by the name of the check."""
    with monkeypatch.context() as patch, wired({**NO_DATABASE, **environment}, patch):
        return {check.removeprefix("cache "): finding for check, finding in examine_cache(wiring.settings())}


def test_a_fit_cache_is_found_fit(redis_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = examined(redis_server.environment, monkeypatch)

    assert {check: finding for check, finding in findings.items() if finding.verdict is not Verdict.OK} == {}
    assert len(findings) == 10
    assert "by ACL DRYRUN for default" in findings["commands"].found


def test_no_entry_is_left_behind(
    redis_server: Server, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    examined(redis_server.environment, monkeypatch)

    assert redis_client.dbsize() == 0


UNREACHABLE = {
    "nobody listens": ({"REDIS_PORT": "1"}, "reachable", "Connection refused"),
    "no such name": ({"REDIS_HOST": "nowhere.invalid"}, "reachable", ""),
    "no such bundle": ({"REDIS_TLS": "true", "REDIS_TLS_CA": "/nowhere.pem"}, "TLS", "there is no /nowhere.pem"),
    "no TLS there": ({"REDIS_TLS": "true"}, "reachable", ""),
    "no such database": ({"REDIS_DB": "15"}, "database", "DB index is out of range"),
    "a secret that cannot be read": (
        {"REDIS_SECRET_ID": "none", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"},
        "login",
        "",
    ),
}


@pytest.mark.parametrize("misfortune", UNREACHABLE)
def test_what_bars_the_way_in_is_the_last_line(
    misfortune: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, check, found = UNREACHABLE[misfortune]
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "eu-west-1"}
    with start_redis(tmp_path / "redis", None, "--databases", "2") as server:
        findings = examined({**server.environment, **keys, **changed}, monkeypatch)

    assert list(findings)[-1] == check
    assert findings[check].verdict is Verdict.FAILED
    assert found in findings[check].found
    assert findings[check].to_do


def test_a_password_that_is_missing_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_redis(tmp_path / "redis") as server, redis.Redis(host=server.host, port=server.port) as administrator:
        administrator.execute_command("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")
        findings = examined(server.environment, monkeypatch)

    assert findings["login"].verdict is Verdict.FAILED
    assert "mend the login" in findings["login"].to_do


def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, stranger = Authority(tmp_path / "ca.pem"), Authority(tmp_path / "other.pem")
    certificate, key = tmp_path / "server.pem", tmp_path / "server-key.pem"
    authority.certify(CERTIFIED_HOST, certificate, key)
    encrypted = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    encrypted += ["--tls-ca-cert-file", str(authority.certificate)]
    with start_redis(tmp_path / "redis", None, *encrypted) as server:
        port = server.port + 1
        with redis.Redis(host=server.host, port=server.port) as administrator:
            administrator.config_set("tls-port", port)
        entered = {"REDIS_HOST": CERTIFIED_HOST, "REDIS_PORT": str(port), "REDIS_TLS": "true"}
        right = examined(entered | {"REDIS_TLS_CA": str(authority.certificate)}, monkeypatch)
        wrong = examined(entered | {"REDIS_TLS_CA": str(stranger.certificate)}, monkeypatch)

    assert right["TLS"] == (Verdict.OK, "TLS 1.3 or newer, and the certificate verified", "")
    assert wrong["TLS"].verdict is Verdict.FAILED
    assert "certificate verify failed" in wrong["TLS"].found


def test_a_connection_in_the_clear_is_a_warning_beyond_this_machine(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = redis_server.environment | {"REDIS_HOST": "127.1"}  # this machine, spelt as nobody spells it

    assert examined(elsewhere, monkeypatch)["TLS"].verdict is Verdict.WARNING


SERVERS: dict[str, tuple[tuple[str, ...], dict[str, str], Verdict, str]] = {
    "role": (("--replicaof", "127.0.0.1", "1"), {}, Verdict.FAILED, "let REDIS_HOST name the primary"),
    "cluster mode": (
        ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"),
        {"REDIS_DB": "0"},
        Verdict.FAILED,
        "give each slot a node",
    ),
    "database": (("--cluster-enabled", "yes"), {"REDIS_DB": "1"}, Verdict.FAILED, "give a REDIS_DB"),
    "memory": (("--maxmemory-policy", "noeviction"), {}, Verdict.FAILED, "set maxmemory-policy allkeys-lru"),
}


@pytest.mark.parametrize("check", SERVERS)
def test_an_unfit_server_fails(check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, changed, verdict, to_do = SERVERS[check]
    with start_redis(tmp_path / "redis", None, *options) as server:
        findings = examined({**server.environment, **changed}, monkeypatch)

    assert findings[check].verdict is verdict
    assert findings[check].to_do.startswith(to_do)


@pytest.mark.parametrize("memory", [("maxmemory", "0"), ("maxmemory-policy", "volatile-lru")])
def test_memory_without_a_limit_or_with_another_eviction_is_a_warning(
    memory: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_redis(tmp_path / "redis", None, f"--{memory[0]}", memory[1]) as server:
        findings = examined(server.environment, monkeypatch)

    assert findings["memory"].verdict is Verdict.WARNING
    assert "allkeys-lru" in findings["memory"].to_do


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        (b"redis_version:6.2.14\r\n", Verdict.FAILED),
        (b"redis_version:7.0.0\r\n", Verdict.OK),
        (b"redis_version:8.2.1\r\n", Verdict.OK),
        (b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n", Verdict.OK),
        (b"# Server\r\n", Verdict.FAILED),
    ],
)
def test_a_version_is_judged(info: bytes, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of servers that are not to be had here, by what they tell of themselves."""
    monkeypatch.setattr("doctor.cache._ask", lambda *_: info)

    assert About().version().verdict is verdict


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A Redis where the user who is logged in to without a name may do what a test allows."""
    with start_redis(tmp_path / "redis") as server:
        yield server


def allow(server: Server, *rules: str) -> None:
    """Let everybody do no more than this; whoever calls keeps an account of their own."""
    with redis.Redis(host=server.host, port=server.port) as administrator:
        administrator.execute_command("ACL", "SETUSER", "administrator", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        administrator.execute_command("ACL", "SETUSER", "default", "resetkeys", "-@all", *rules)


ALL = {name(command).lower() for command in commands(KEYSPACE)}
ENTRIES = ("~credit_score:*", "~credit_scores:expiring")


def test_a_user_who_may_do_no_more_than_needed_is_tried_for_real(
    guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(guarded, *ENTRIES, *(f"+{command}" for command in ALL))

    findings = examined(guarded.environment, monkeypatch)

    assert findings["commands"] == (Verdict.OK, "all 11 are allowed, each sent, for customer 0", "")
    unknown = {check for check, finding in findings.items() if finding.verdict is Verdict.UNKNOWN}
    assert unknown == {"version", "role", "cluster mode", "memory", "clock"}


@pytest.mark.parametrize("means", ["by ACL DRYRUN", "for real"])
@pytest.mark.parametrize("command", sorted(ALL - {"select"}))
def test_each_command_that_is_forbidden_is_named(
    command: str, means: str, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = ("+acl",) if means == "by ACL DRYRUN" else ()
    allow(guarded, *ENTRIES, *others, *(f"+{each}" for each in ALL - {command}))

    finding = examined(guarded.environment, monkeypatch)["commands"]

    assert finding.verdict is Verdict.FAILED
    assert finding.to_do.startswith(f"allow +{command} on")
    assert finding.found.count(":") == 1


def test_keys_that_are_forbidden_are_named(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(guarded, "~credit_score:*", *(f"+{command}" for command in ALL))

    assert "SADD: " in examined(guarded.environment, monkeypatch)["commands"].found


def test_a_renamed_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_redis(tmp_path / "redis", None, "--rename-command", "EVAL", "") as server:
        finding = examined(server.environment, monkeypatch)["commands"]

    assert finding.verdict is Verdict.FAILED
    assert "EVAL" in finding.found


def test_clocks_that_differ_are_a_warning(redis_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    WoundClock(monkeypatch, frozen=True).pass_by(60)

    assert examined(redis_server.environment, monkeypatch)["clock"].verdict is Verdict.WARNING


def test_an_outage_in_the_middle_is_a_failed_check_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        start_redis(tmp_path / "redis") as server,
        monkeypatch.context() as patch,
        wired({**NO_DATABASE, **server.environment}, patch),
    ):
        findings = examine_cache(wiring.settings())
        way_in = [next(findings) for _ in range(4)]
        server.kill()
        rest = list(findings)

    assert {finding.verdict for _, finding in way_in} == {Verdict.OK}
    assert {finding.verdict for _, finding in rest} == {Verdict.FAILED}
    assert len(rest) == 6


def test_the_list_of_commands_is_what_the_service_sends(
    service: Service, database: Database, redis_client: "redis.Redis"
) -> None:
    """Those in its scripts too, of which Redis counts only what has run."""
    database.add_customer(1001, ASHA, [a_loan()] * 3)
    redis_client.config_resetstat()

    for _ in range(2):
        service.check(1001)
    redis_client.expire("credit_score:1001", 60)  # so that the next hit notes it for renewal
    service.check(1001)
    refresh_cache.lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))
    wiring.bulk_score_cache().unready(0, 1, TODAY, POLICY)  # as it is looked for before a policy begins
    service.create(1001)
    service.create(1001, loan_amount=9_999_999_999)

    in_scripts = {
        command
        for script in vars(redis_scripts).values()
        if isinstance(script, str)
        for command in re.findall(r"redis\.p?call\('([A-Z]+)'", script)
    }
    of_the_test = {"config|resetstat", "expire", "client|setinfo"}
    sent = set(redis_client.info("commandstats")) - {f"cmdstat_{each}" for each in of_the_test | {"info"}}
    assert {f"cmdstat_{command}" for command in ALL} == sent
    assert {command.lower() for command in in_scripts} <= ALL
