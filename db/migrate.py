"""Apply the numbered migrations in this folder that a database has not had yet: `python -m db.migrate`.

A file NNNN_what_it_does.sql holds statements that each end with a semicolon at the end of a line, where the next line
is not indented: so a trigger may have statements of its own. Files are applied once, in order. A file that was applied
must never be edited: its checksum is kept with its number. DDL commits by itself in MySQL, so each statement is
recorded before and after it runs. A migration that failed continues at the statement that failed. One that was killed
continues at the statement that was running, even if that one was done.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pymysql
from pymysql.constants import ER

from db.accounts import accounts_of, as_owner, grant_all
from db.errors import MigrationError, UnknownMigrationError
from db.findings import Finding, Verdict
from db.grants import grants
from db.policies import PolicyRefusedError, record_policies, refuse_policies
from db.server_checks import BEFORE_ANY_MIGRATION, may_make_triggers
from lending.adapters import policy_files
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import Query, connect, query_on, why_none
from lending.adapters.policy_files import InvalidPolicyError, read_policies
from lending.config import InvalidSettingError, Settings

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

FOLDER = Path(__file__).parent
LOCK_NAME = "LEFT(CONCAT('migrate.', DATABASE()), 64)"  # names of locks are server-wide and at most 64 long
LOCK_WAIT_SECONDS = 60

HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INT UNSIGNED NOT NULL PRIMARY KEY,
    name VARCHAR(200) NOT NULL,
    checksum CHAR(64) NOT NULL,
    statements_begun INT UNSIGNED NOT NULL DEFAULT 0,
    statements_done INT UNSIGNED NOT NULL DEFAULT 0,
    finished_at TIMESTAMP NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
"""

FINISHED = "SELECT version, name, checksum FROM schema_migrations WHERE finished_at IS NOT NULL ORDER BY version"

# What the servers say to DDL that has been done already.
DONE_BEFORE = {
    ER.TABLE_EXISTS_ERROR,
    ER.DUP_FIELDNAME,
    ER.DUP_KEYNAME,
    1826,  # a foreign key of this name exists
    3822,  # MySQL: a check constraint of this name exists
    ER.TRG_ALREADY_EXISTS,
}
TRIGGER_WAIT_SECONDS = 10
"""For the transactions that hold a table; whoever comes meanwhile waits behind."""
OWN_TRIGGERS = """
SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND definer = CURRENT_USER()
"""
TRIGGER = re.compile(r"CREATE TRIGGER (\w+) \w+ \w+ ON (\w+)").match


class Trigger(NamedTuple):
    """A trigger that there has to be."""

    table: str
    statement: str
    """That makes it."""


def migrate(connection: "pymysql.Connection[Cursor]", folder: Path = FOLDER) -> list[str]:
    """Migrate the connection's database and return the names of the migrations that were applied.

    Two runs at the same time wait for each other.

    Raises:
        MigrationError: The server is not fit, an applied file was edited or is gone, or a statement fails.
    """
    query = query_on(connection)
    with _alone(connection):
        for check in BEFORE_ANY_MIGRATION:
            _refuse_if_failed(check(query))
        query(HISTORY)
        to_apply = outstanding(query, folder)
        _refuse_if_not_makeable(query, triggers_of(to_apply))
        for path in to_apply:
            _apply(connection, path)
        return [path.stem for path in to_apply]


def outstanding(query: Query, folder: Path = FOLDER) -> list[Path]:
    """Return the migrations that the database has not had to their end.

    Raises:
        MigrationError: An applied file was edited, or two have the same number.
        UnknownMigrationError: The database has had one that is not here.
    """
    files: dict[int, Path] = {}
    for path in _files(folder):
        if _version(path) in files:
            raise MigrationError(f"{path.name} and {files[_version(path)].name} have the same number")
        files[_version(path)] = path
    # An unfinished file may be mended, but not before the statement that failed; its author knows.
    for version, name, checksum in query(FINISHED):
        if version not in files:
            raise UnknownMigrationError(f"the database has had {name}, which this version does not know")
        path = files.pop(version)
        if _checksum(path) != checksum:
            raise MigrationError(f"{path.name} was edited after it had been applied; add a new one instead")
    return list(files.values())


def triggers_of(paths: Iterable[Path]) -> dict[str, Trigger]:
    """Return the triggers that migrations make, by their names."""
    statements = [statement for path in paths for statement in _statements(path)]
    made = [(TRIGGER(statement), statement) for statement in statements]
    return {match[1]: Trigger(match[2], statement) for match, statement in made if match}


def take_triggers(connection: "pymysql.Connection[Cursor]", folder: Path = FOLDER) -> None:
    """Make anew what triggers are another account's or missing, so that the connection's own is their definer.

    Raises:
        MigrationError: The account may not, or a transaction has kept a table for too long.
    """
    query = query_on(connection)
    own = {name for (name,) in query(OWN_TRIGGERS)}
    others = {name: each for name, each in triggers_of(_files(folder)).items() if name not in own}
    _refuse_if_not_makeable(query, others)
    for name, trigger in others.items():
        try:
            query(f"SET SESSION lock_wait_timeout = {TRIGGER_WAIT_SECONDS}")
            query(f"LOCK TABLES {trigger.table} WRITE")  # nobody writes past a trigger that is being made anew
            query(f"DROP TRIGGER IF EXISTS {name}")
            query(trigger.statement)
            query("UNLOCK TABLES")
        except pymysql.MySQLError as exc:
            raise MigrationError(f"trigger {name}: {exc.args[-1]}") from exc


def _refuse_if_failed(finding: Finding) -> None:
    if finding.verdict is Verdict.FAILED:
        raise MigrationError(f"{finding.found}: {finding.to_do}")


def _refuse_if_not_makeable(query: Query, triggers: Mapping[str, Trigger]) -> None:
    """Say it before a long ALTER TABLE rather than after it."""
    if triggers:
        granted = grants(query)
        for table in sorted({trigger.table for trigger in triggers.values()}):
            _refuse_if_failed(may_make_triggers(query, granted, table))


def _apply(connection: "pymysql.Connection[Cursor]", path: Path) -> None:
    """Apply what is left of one migration."""
    version = _version(path)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT IGNORE INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
            (version, path.stem, _checksum(path)),
        )
        connection.commit()
        cursor.execute("SELECT statements_begun, statements_done FROM schema_migrations WHERE version = %s", (version,))
        ((begun, done),) = cursor.fetchall()
        for number, statement in enumerate(_statements(path)[done:], start=done + 1):
            cursor.execute("UPDATE schema_migrations SET statements_begun = %s WHERE version = %s", (number, version))
            connection.commit()
            connection.begin()  # so that a statement other than DDL commits together with its record
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as exc:
                if number > begun or exc.args[0] not in DONE_BEFORE:
                    raise MigrationError(f"{path.name}, statement {number}: {exc.args[-1]}") from exc
            cursor.execute("UPDATE schema_migrations SET statements_done = %s WHERE version = %s", (number, version))
            connection.commit()
        # The checksum again, because somebody may have corrected a file that broke off.
        cursor.execute(
            "UPDATE schema_migrations SET finished_at = CURRENT_TIMESTAMP, checksum = %s WHERE version = %s",
            (_checksum(path), version),
        )
        connection.commit()


@contextmanager
def _alone(connection: "pymysql.Connection[Cursor]") -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK({LOCK_NAME}, %s)", (LOCK_WAIT_SECONDS,))
        if cursor.fetchall() != ((1,),):
            raise MigrationError(f"another migration has been running for {LOCK_WAIT_SECONDS} s")
        try:
            yield
        finally:
            with suppress(
                pymysql.MySQLError
            ):  # a lost connection has released the lock, and its own error matters more
                cursor.execute(f"SELECT RELEASE_LOCK({LOCK_NAME})")


def _statements(path: Path) -> list[str]:
    uncommented = re.sub(r"--[ \t].*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    # A trigger's inner statements end before a line that is indented.
    parts = re.split(r";[ \t]*$(?!\n[ \t]+\S)", uncommented, flags=re.MULTILINE)
    return [statement for part in parts if (statement := part.strip())]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.sql"))


def _version(path: Path) -> int:
    return int(path.stem.split("_", 1)[0])


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Migrate the database that the DB_* variables name."""
    try:
        settings, accounts = Settings.from_env(os.environ), accounts_of(os.environ)
        administrator = connect(settings)
    except InvalidSettingError as exc:
        sys.exit(f"migrate: {exc}; `make up` starts a server, `source .local/env` says where it is")
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        sys.exit(f"migrate: no database: {why_none(exc)}")
    try:
        policies = [file.policy for file in read_policies(policy_files.FOLDER)]
        today = datetime.now(settings.business_timezone).date()
        with administrator, as_owner(administrator, settings, accounts) as owner, connect(owner) as connection:
            refuse_policies(connection, policies, today)
            applied = migrate(connection)
            record_policies(connection, policies, today)
            if accounts:
                take_triggers(connection)
                grant_all(administrator, settings, accounts)
    except (MigrationError, PolicyRefusedError, InvalidPolicyError) as exc:
        sys.exit(f"migrate: {exc}")
    print("migrate:", ", ".join(applied) or "nothing to do")


if __name__ == "__main__":
    main()
