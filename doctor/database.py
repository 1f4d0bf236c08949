"""The checks of the database, asked as the functions ask it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pymysql
from pymysql.constants import ER

from db.accounts import FUNCTIONS
from db.errors import MigrationError, UnknownMigrationError
from db.findings import Finding, Verdict, failed, ok, unknown, warning
from db.grants import grants
from db.migrate import FOLDER, outstanding, triggers_of
from db.server_checks import binary_log, may_make_triggers, takes_writes, version
from doctor.clocks import compared
from doctor.examination import LOOPBACK, Result, carried_out, root_of, words_of
from doctor.trial import trial_loan
from lending import wiring
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import Query
from lending.config import Settings
from lending.errors import LendingError

LAGS_SECONDS, STANDS_STILL_SECONDS = 5, 60

TRIGGERS = """
SELECT trigger_name, event_object_table, definer FROM information_schema.triggers WHERE trigger_schema = DATABASE()
"""
WAITING = """
SELECT COUNT(*) FROM (SELECT 1 FROM cache_invalidations WHERE swept_at IS NULL LIMIT 100000) AS waiting
"""


def examine_database(settings: Settings, *, trial: bool = True) -> Iterator[Result]:
    """Yield what is found of the database; nothing more when it cannot be reached.

    Args:
        settings: Where it is.
        trial: Whether to try a loan, which is rolled back and uses a loan id up.
    """
    reached = _reached(settings)
    yield Result("database reachable", reached)
    if reached.verdict is Verdict.OK:
        yield from carried_out(
            {
                "database TLS": lambda: _encryption(settings),
                "database version": lambda: version(_query),
                "database takes writes": lambda: takes_writes(_query),
                "database binary log": lambda: binary_log(_query),
                "database schema": lambda: _schema(_query),
                "database triggers": lambda: _triggers(_query),
                **({"database trial loan": lambda: trial_loan(wiring.database())} if trial else {}),
                "database next migration": lambda: _next_migration(_query),
                "database privileges": lambda: _privileges(_query),
                "database clock": lambda: _clock(_query),
                "database outbox": lambda: _outbox(_query),
            }
        )


def _query(sql: str) -> tuple[tuple[object, ...], ...]:
    return wiring.database().query(sql, {})


def _reached(settings: Settings) -> Finding:
    if settings.db_tls_ca and not Path(settings.db_tls_ca).is_file():
        return failed(f"there is no {settings.db_tls_ca} here", "let DB_TLS_CA name the bundle")
    try:
        _query("SELECT 1")
    except (LendingError, pymysql.MySQLError, OSError) as exc:
        cause = root_of(exc)
        return failed(words_of(cause), _how_to_reach(exc, cause))
    return ok(f"{settings.db_host}:{settings.db_port}/{settings.db_name}")


def _how_to_reach(exc: BaseException, cause: BaseException) -> str:
    code = cause.args[0] if isinstance(cause, pymysql.MySQLError) and cause.args else None
    if isinstance(exc.__cause__, LoginUnavailableError):
        if wiring.settings().db_iam_user is not None:
            return "give this machine AWS credentials and a region"
        return "let DB_SECRET_ID name a secret that this machine's AWS credentials may read"
    if code in {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR}:
        return "mend the login: DB_IAM_USER, DB_SECRET_ID, or DB_USER and DB_PASSWORD"
    if code == ER.BAD_DB_ERROR:
        return "create the database, or mend DB_NAME"
    if isinstance(cause, ssl.SSLError):
        return "DB_TLS_CA must hold the server's authority, and DB_HOST be a name in its certificate"
    return "mend DB_HOST and DB_PORT, or let this machine in (security group, firewall)"


def _encryption(settings: Settings) -> Finding:
    ((_, protocol),) = _query("SHOW SESSION STATUS LIKE 'Ssl_version'")
    if settings.db_tls_ca:
        return ok(f"{protocol}, and the certificate verified")
    found = f"{protocol}, unverified" if protocol else "in the clear"
    if settings.db_host in LOOPBACK:
        return ok(f"{found}, within this machine")
    return warning(f"{found}: anybody may stand in for the server", "set DB_TLS_CA")


def _schema(query: Query) -> Finding:
    to_do = "python -m db.migrate"
    try:
        missing = [path.stem for path in outstanding(query)]
    except UnknownMigrationError as exc:
        return warning(str(exc), "deploy the version that made it")
    except MigrationError as exc:
        return failed(str(exc), "restore the file")
    except pymysql.MySQLError as exc:
        if exc.args[0] != ER.NO_SUCH_TABLE:
            raise
        return failed("no migration has been applied", to_do)
    if missing:
        return failed(f"{', '.join(missing)} is missing", to_do)
    return ok("up to date")


def _made_by_migrations() -> dict[str, str]:
    """Return the table of each trigger that there has to be."""
    return {name: trigger.table for name, trigger in triggers_of(sorted(FOLDER.glob("[0-9]*.sql"))).items()}


def _triggers(query: Query) -> Finding:
    made = _made_by_migrations()
    found = {name: (table, definer) for name, table, definer in query(TRIGGERS)}
    missing = sorted(name for name, table in made.items() if found.get(name, ("", ""))[0] != table)
    if not missing:
        definers = {found[name][1] for name in made}
        if None in definers:
            return unknown(f"{len(made)} of {len(made)}; as whom, only an account with the TRIGGER privilege sees")
        return ok(f"{len(made)} of {len(made)}, as {', '.join(sorted(definers))}, which must stay")
    granted = grants(query)
    hidden = [name for name in missing if not granted.allow("TRIGGER", made[name])]
    if hidden:
        return unknown("without the TRIGGER privilege this account sees none of them")
    return failed(
        f"{', '.join(missing)} is missing: whoever writes by it tells the cache nothing",
        "make them again, as db/*.sql has them",
    )


def _next_migration(query: Query) -> Finding:
    """Tell whether this account could migrate; one that need not is no worse for it."""
    granted = grants(query)
    worst = max((may_make_triggers(query, granted, table) for table in _made_by_migrations().values()), key=_verdict)
    return worst._replace(verdict=min(worst.verdict, Verdict.WARNING))


def _verdict(finding: Finding) -> Verdict:
    return finding.verdict


def _privileges(query: Query) -> Finding:
    granted = grants(query)
    lacking = [
        f"{privilege} ON {table}"
        for table, privileges in FUNCTIONS.items()
        for privilege in sorted(privileges)
        if not granted.allow(privilege, table)
    ]
    if lacking:
        return failed(f"this account lacks {', '.join(lacking)}", "GRANT them to it")
    return ok("all that the functions need")


def _clock(query: Query) -> Finding:
    # UNIX_TIMESTAMP(NOW(6)), not UTC_TIMESTAMP: the session's time zone is UTC, where the two are the same moment.
    ((seconds,),) = query("SELECT UNIX_TIMESTAMP(NOW(6))")
    return compared(float(seconds))


def _outbox(query: Query) -> Finding:
    ((waiting,),) = query(WAITING)
    oldest = wiring.outbox().oldest_seconds()
    found = f"{waiting} waiting{f', the oldest for {oldest} s' if waiting else ''}"
    if oldest >= STANDS_STILL_SECONDS:
        return failed(found, "see that refresh_cache runs and reaches both stores: its log, its alarms")
    if oldest >= LAGS_SECONDS:
        return warning(found, "many at once are swept in a minute; otherwise see refresh_cache's log")
    return ok(found)
