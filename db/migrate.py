"""Apply the numbered migrations in this folder that a database has not had yet: `python -m db.migrate`.

A file NNNN_what_it_does.sql holds statements that each end with a semicolon at the end of a line. Files are applied
once, in order. A file that was applied must never be edited: its checksum is kept with its number. DDL commits by
itself in MySQL, so each statement is recorded before and after it runs. A migration that failed continues at the
statement that failed. One that was killed continues at the statement that was running, even if that one was done.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from db.connection import connect, why_none
from lending.adapters.logins import LoginUnavailableError
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

# What the servers say to DDL that has been done already.
DONE_BEFORE = {
    ER.TABLE_EXISTS_ERROR,
    ER.DUP_FIELDNAME,
    ER.DUP_KEYNAME,
    1826,  # a foreign key of this name exists
    3822,  # MySQL: a check constraint of this name exists
    ER.TRG_ALREADY_EXISTS,
}


NO_TRIGGERS_BESIDE_A_BINARY_LOG = 1419
NO_TRIGGERS = (
    "this account may not make triggers while the server writes a binary log: set log_bin_trust_function_creators = 1 "
    "(on RDS in the parameter group), or migrate with an account that has SUPER"
)
NEEDS_TRIGGER = "this account needs the TRIGGER privilege on the database: GRANT TRIGGER ON its tables to it"


class MigrationError(Exception):
    """The schema cannot be migrated; the message says why."""


class UnknownMigrationError(MigrationError):
    """The database has a migration that is newer than this version's."""


def migrate(connection: "pymysql.Connection[Cursor]", folder: Path = FOLDER) -> list[str]:
    """Migrate the connection's database and return the names of the migrations that were applied.

    Two runs at the same time wait for each other.

    Raises:
        MigrationError: An applied file was edited or is gone, or a statement fails.
    """
    with _alone(connection):
        _refuse_statement_binlog(connection)
        with connection.cursor() as cursor:
            cursor.execute(HISTORY)
        _refuse_rewritten_history(connection, folder)
        return [path.stem for path in sorted(folder.glob("[0-9]*.sql")) if _apply(connection, path)]


def _apply(connection: "pymysql.Connection[Cursor]", path: Path) -> bool:
    """Apply the rest of one migration; return whether there was any."""
    version = _version(path)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT IGNORE INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
            (version, path.stem, _checksum(path)),
        )
        connection.commit()
        cursor.execute(
            "SELECT statements_begun, statements_done, finished_at FROM schema_migrations WHERE version = %s",
            (version,),
        )
        ((begun, done, finished_at),) = cursor.fetchall()
        if finished_at is not None:
            return False
        for number, statement in enumerate(_statements(path)[done:], start=done + 1):
            cursor.execute("UPDATE schema_migrations SET statements_begun = %s WHERE version = %s", (number, version))
            connection.commit()
            connection.begin()  # so that a statement other than DDL commits together with its record
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as exc:
                if number > begun or exc.args[0] not in DONE_BEFORE:
                    raise MigrationError(f"{path.name}, statement {number}: {_why(exc)}") from exc
            cursor.execute("UPDATE schema_migrations SET statements_done = %s WHERE version = %s", (number, version))
            connection.commit()
        # The checksum again, because somebody may have corrected a file that broke off.
        cursor.execute(
            "UPDATE schema_migrations SET finished_at = CURRENT_TIMESTAMP, checksum = %s WHERE version = %s",
            (_checksum(path), version),
        )
        connection.commit()
    return True


def _why(exc: pymysql.MySQLError) -> str:
    """Return the failure of a statement in words that say what to do."""
    code, message = exc.args[0], str(exc.args[-1])
    if code == NO_TRIGGERS_BESIDE_A_BINARY_LOG:
        return NO_TRIGGERS
    if code == ER.TABLEACCESS_DENIED_ERROR and message.startswith("TRIGGER command"):
        return NEEDS_TRIGGER
    return message


def _refuse_statement_binlog(connection: "pymysql.Connection[Cursor]") -> None:
    """Refuse a server on which every loan would fail (1665): READ COMMITTED cannot be logged by statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.log_bin, @@global.binlog_format")
        ((log_bin, binlog_format),) = cursor.fetchall()
    if log_bin and binlog_format == "STATEMENT":
        raise MigrationError("the server has binlog_format=STATEMENT, with which no loan can be made: set ROW or MIXED")


def _refuse_rewritten_history(connection: "pymysql.Connection[Cursor]", folder: Path) -> None:
    files: dict[int, Path] = {}
    for path in sorted(folder.glob("[0-9]*.sql")):
        if _version(path) in files:
            raise MigrationError(f"{path.name} and {files[_version(path)].name} have the same number")
        files[_version(path)] = path
    with connection.cursor() as cursor:
        # Its author may correct an unfinished file, but only from the statement that failed.
        cursor.execute("SELECT version, name, checksum FROM schema_migrations WHERE finished_at IS NOT NULL")
        for version, name, checksum in cursor.fetchall():
            if version not in files:
                raise UnknownMigrationError(f"the database has had {name}, which this version does not know")
            if _checksum(files[version]) != checksum:
                raise MigrationError(
                    f"{files[version].name} was edited after it had been applied; add a new one instead"
                )


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
    return [statement for part in re.split(r";[ \t]*$", uncommented, flags=re.MULTILINE) if (statement := part.strip())]


def _version(path: Path) -> int:
    return int(path.stem.split("_", 1)[0])


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Migrate the database that the DB_* variables name."""
    try:
        connection = connect(Settings.from_env(os.environ))
    except InvalidSettingError as exc:
        sys.exit(f"migrate: {exc}; `make up` starts a server, `source .local/env` says where it is")
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        sys.exit(f"migrate: no database: {why_none(exc)}")
    try:
        applied = migrate(connection)
    except MigrationError as exc:
        sys.exit(f"migrate: {exc}")
    finally:
        connection.close()
    print("migrate:", ", ".join(applied) or "nothing to do")


if __name__ == "__main__":
    main()
