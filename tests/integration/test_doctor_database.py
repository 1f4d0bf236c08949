"""The doctor sees what the database lacks: each check is made to fail on a real server."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from db.accounts import FUNCTIONS
from db.findings import Finding, Verdict
from db.migrate import migrate
from doctor.database import LAGS_SECONDS, examine_database
from lending import wiring
from local.servers.mysql_server import start_mysql
from testkit.accounts import account, administered_mysql, mysql_with
from testkit.certificates import CERTIFIED_HOST, Authority
from testkit.clock import WoundClock
from testkit.database import Database, connect
from testkit.service import wired

WITH_A_BINARY_LOG = ("--log-bin=binlog", "--server-id=1", "--log-bin-trust-function-creators=1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server of this module, migrated, whose account may do everything."""
    with administered_mysql(tmp_path_factory.mktemp("doctor") / "mysql") as environment:
        with connect(environment) as connection:
            migrate(connection)
        yield environment


@pytest.fixture
def fit(server: dict[str, str]) -> Iterator[Database]:
    """A fit database; each test leaves it as it was."""
    with connect(server) as connection:
        yield Database(server, connection)


def examined(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """Return what the doctor finds of a database, by the name of the check."""
    with monkeypatch.context() as patch, wired(environment, patch):
        return {check.removeprefix("database "): finding for check, finding in examine_database(wiring.settings())}


def worst(findings: Mapping[str, Finding]) -> Verdict:
    return max(finding.verdict for finding in findings.values())


def test_a_fit_database_is_found_fit(fit: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = examined(fit.environment, monkeypatch)

    assert {check: finding for check, finding in findings.items() if finding.verdict is not Verdict.OK} == {}
    assert len(findings) == 12


def test_what_was_tried_is_taken_back(fit: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    examined(fit.environment, monkeypatch)

    for table in ("customers", "loans", "cache_invalidations"):
        assert fit.execute(f"SELECT COUNT(*) FROM {table}") == ((0,),)  # noqa: S608 - names of our own


UNREACHABLE = {
    "nobody listens": ({"DB_PORT": "1"}, "Connection refused", "mend DB_HOST and DB_PORT"),
    "no such name": ({"DB_HOST": "nowhere.invalid"}, "", "mend DB_HOST and DB_PORT"),
    "a wrong password": ({"DB_PASSWORD": "wrong"}, "Access denied", "mend the login"),
    "no such database": ({"DB_NAME": "elsewhere"}, "Unknown database", "create the database, or mend DB_NAME"),
    "no such bundle": ({"DB_TLS_CA": "/nowhere.pem"}, "there is no /nowhere.pem here", "DB_TLS_CA"),
    "a secret that cannot be read": (
        {"DB_SECRET_ID": "none", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"},
        "",
        "let DB_SECRET_ID name a secret",
    ),
}


@pytest.mark.parametrize("misfortune", UNREACHABLE)
def test_what_cannot_be_reached_is_said_in_one_line(
    fit: Database, misfortune: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, found, to_do = UNREACHABLE[misfortune]
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "eu-west-1"}

    findings = examined({**fit.environment, **keys, **changed}, monkeypatch)

    assert list(findings) == ["reachable"]
    assert findings["reachable"].verdict is Verdict.FAILED
    assert found in findings["reachable"].found
    assert to_do in findings["reachable"].to_do


def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path / "ca.pem")
    certificate, key = tmp_path / "server.pem", tmp_path / "server-key.pem"
    authority.certify(CERTIFIED_HOST, certificate, key)
    stranger = Authority(tmp_path / "other.pem")
    with mysql_with(tmp_path / "mysql", f"--ssl-cert={certificate}", f"--ssl-key={key}") as environment:
        entered = environment | {"DB_HOST": CERTIFIED_HOST}
        right = examined(entered | {"DB_TLS_CA": str(authority.certificate)}, monkeypatch)
        wrong = examined(entered | {"DB_TLS_CA": str(stranger.certificate)}, monkeypatch)

    assert right["TLS"].found.startswith("TLSv1.")
    assert "verified" in right["TLS"].found
    assert "certificate verify failed" in wrong["reachable"].found
    assert "DB_TLS_CA must hold" in wrong["reachable"].to_do


def test_a_connection_in_the_clear_is_a_warning_beyond_this_machine(
    fit: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = fit.environment | {"DB_HOST": "127.1"}  # this machine, spelt as nobody spells it

    assert examined(fit.environment, monkeypatch)["TLS"].verdict is Verdict.OK
    assert examined(elsewhere, monkeypatch)["TLS"] == (
        Verdict.WARNING,
        "in the clear: anybody may stand in for the server",
        "set DB_TLS_CA",
    )


SERVERS = {
    "version": ("--version=10.5.29-MariaDB", "MySQL 8.0 or MariaDB 10.6"),
    "takes writes": ("--read-only", "let DB_HOST name the writer"),
    "binary log": ("--binlog-format=STATEMENT", "set binlog_format to ROW or MIXED"),
}


@pytest.mark.parametrize("check", SERVERS)
def test_an_unfit_server_fails(check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    option, to_do = SERVERS[check]
    with mysql_with(tmp_path / "mysql", *WITH_A_BINARY_LOG, option) as environment:
        findings = examined(environment, monkeypatch)

    assert findings[check].verdict is Verdict.FAILED
    assert findings[check].to_do.startswith(to_do)


def test_an_empty_database_and_one_that_is_behind_fail(fit: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fit.execute("RENAME TABLE schema_migrations TO put_aside")
    empty = examined(fit.environment, monkeypatch)
    fit.execute("RENAME TABLE put_aside TO schema_migrations")
    fit.execute("UPDATE schema_migrations SET finished_at = NULL WHERE version = 4")
    behind = examined(fit.environment, monkeypatch)
    fit.execute("UPDATE schema_migrations SET finished_at = CURRENT_TIMESTAMP WHERE version = 4")
    fit.execute(
        "INSERT INTO schema_migrations (version, name, checksum, finished_at) VALUES (99, '0099_new', '', NOW())"
    )
    ahead = examined(fit.environment, monkeypatch)
    fit.execute("DELETE FROM schema_migrations WHERE version = 99")

    assert (empty["schema"].verdict, behind["schema"].verdict, ahead["schema"].verdict) == (
        Verdict.FAILED,
        Verdict.FAILED,
        Verdict.WARNING,
    )
    assert behind["schema"].found == "0004_other_writers is missing"
    assert "0099_new" in ahead["schema"].found


@pytest.mark.parametrize("trigger", ["loans_inserted", "loans_updated", "loans_deleted", "customers_updated"])
def test_a_missing_trigger_is_named_and_missed_by_the_trial(
    trigger: str, fit: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, _, statement, *_rest),) = fit.execute(f"SHOW CREATE TRIGGER {trigger}")
    fit.execute(f"DROP TRIGGER {trigger}")
    findings = examined(fit.environment, monkeypatch)
    fit.execute(str(statement).replace("%", "%%"))

    assert findings["triggers"].verdict is Verdict.FAILED
    assert trigger in findings["triggers"].found
    assert findings["trial loan"].verdict is Verdict.FAILED
    assert "tells the cache nothing" in findings["trial loan"].found


def test_a_definer_that_is_gone_fails_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with administered_mysql(tmp_path / "mysql") as environment:
        with account(environment, "leaver", "ALL ON lending.*") as leaver, connect(leaver) as connection:
            migrate(connection)
        findings = examined(environment, monkeypatch)

    assert "leaver@%" in findings["triggers"].found
    assert findings["trial loan"].verdict is Verdict.FAILED
    assert "leaver" in findings["trial loan"].found
    assert "create that account again" in findings["trial loan"].to_do


ALL_NEEDED = [(privilege, table) for table, privileges in FUNCTIONS.items() for privilege in sorted(privileges)]


def test_the_least_account_is_fit_and_what_it_may_not_see_is_unknown(
    fit: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account(fit.environment, "least", *(f"{each} ON lending.{table}" for each, table in ALL_NEEDED)) as least:
        findings = examined(least, monkeypatch)

    assert findings["privileges"].verdict is Verdict.OK
    unknown = {check for check, finding in findings.items() if finding.verdict is Verdict.UNKNOWN}
    assert unknown == {"schema", "triggers", "trial loan"}
    assert findings["next migration"].verdict is Verdict.WARNING
    assert worst(findings) is Verdict.WARNING


@pytest.mark.parametrize(("privilege", "table"), ALL_NEEDED)
def test_each_privilege_is_needed(privilege: str, table: str, fit: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    grants = [f"{each} ON lending.{other}" for each, other in ALL_NEEDED if (each, other) != (privilege, table)]
    with account(fit.environment, "less", *grants) as less:
        findings = examined(less, monkeypatch)

    assert findings["privileges"].verdict is Verdict.FAILED
    assert findings["privileges"].found == f"this account lacks {privilege} ON {table}"


def test_a_server_that_trusts_no_function_creators_warns_of_the_next_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mysql_with(tmp_path / "mysql", "--log-bin=binlog", "--server-id=1", "--binlog-format=ROW") as environment:
        findings = examined(environment, monkeypatch)

    assert findings["next migration"].verdict is Verdict.WARNING
    assert "log_bin_trust_function_creators = 1" in findings["next migration"].to_do


@pytest.mark.parametrize(("seconds", "found"), [(60, "60 s behind"), (-60, "60 s ahead of")])
def test_clocks_that_differ_are_a_warning(
    seconds: float, found: str, fit: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    WoundClock(monkeypatch, frozen=True).pass_by(seconds)

    finding = examined(fit.environment, monkeypatch)["clock"]

    assert finding.verdict is Verdict.WARNING
    assert found in finding.found


@pytest.mark.parametrize(
    ("age", "verdict"), [(0, Verdict.OK), (LAGS_SECONDS + 1, Verdict.WARNING), (61, Verdict.FAILED)]
)
def test_an_outbox_that_nobody_sweeps_is_seen(
    age: int, verdict: Verdict, fit: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit.execute(
        "INSERT INTO cache_invalidations (customer_id, created_at) VALUES (7, CURRENT_TIMESTAMP - INTERVAL %s SECOND)",
        [age],
    )
    finding = examined(fit.environment, monkeypatch)["outbox"]
    fit.execute("DELETE FROM cache_invalidations")

    assert finding.verdict is verdict
    assert finding.found.startswith("1 waiting, the oldest for ")


def test_an_outage_in_the_middle_is_a_failed_check_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        start_mysql(tmp_path / "mysql") as server,
        monkeypatch.context() as patch,
        wired(server.environment, patch),
    ):
        findings = examine_database(wiring.settings())
        reached = next(findings)
        server.kill()
        rest = list(findings)

    assert reached.finding.verdict is Verdict.OK
    assert {finding.verdict for _, finding in rest} == {Verdict.FAILED}
    assert len(rest) == 11
