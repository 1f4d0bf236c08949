"""A server or an account that cannot carry the service is refused before anything is migrated, by name."""

from pathlib import Path

import pytest

from db.errors import MigrationError
from db.migrate import migrate
from testkit.accounts import account, administered_mysql, mysql_with
from testkit.database import connect

WITH_A_BINARY_LOG = ("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW")
ALL_BUT_TRIGGER = "CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE"


def refusal(environment: dict[str, str]) -> str:
    """Migrate, and return why not; no table has been made then."""
    with connect(environment) as connection, connection.cursor() as cursor:
        with pytest.raises(MigrationError) as refused:
            migrate(connection)
        cursor.execute("SHOW TABLES")
        assert {name for (name,) in cursor.fetchall()} <= {"schema_migrations"}
    return str(refused.value)


def migrated(environment: dict[str, str]) -> list[str]:
    with connect(environment) as connection:
        return migrate(connection)


def administer(environment: dict[str, str], statement: str) -> None:
    with connect(environment) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_server_that_logs_statements_is_refused(tmp_path: Path) -> None:
    with mysql_with(tmp_path / "mysql", *WITH_A_BINARY_LOG, "--binlog-format=STATEMENT") as environment:
        assert "binlog_format=STATEMENT" in refusal(environment)


def test_a_server_that_takes_no_writes_is_refused(tmp_path: Path) -> None:
    with mysql_with(tmp_path / "mysql", "--read-only") as environment:
        assert "let DB_HOST name the writer" in refusal(environment)


def test_a_server_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with mysql_with(tmp_path / "mysql", "--version=10.5.29-MariaDB") as environment:
        assert "MySQL 8.0 or MariaDB 10.6 is the least" in refusal(environment)


def test_a_server_that_trusts_no_function_creators_is_refused_until_it_does(tmp_path: Path) -> None:
    with (
        administered_mysql(tmp_path / "mysql", *WITH_A_BINARY_LOG) as environment,
        account(environment, "narrow", f"{ALL_BUT_TRIGGER}, TRIGGER ON lending.*") as narrow,
    ):
        refused = refusal(narrow)
        administer(environment, "SET GLOBAL log_bin_trust_function_creators = 1")
        applied = migrated(narrow)

    assert "set log_bin_trust_function_creators = 1" in refused
    assert applied


def test_an_account_without_the_trigger_privilege_is_refused_until_it_has_it(tmp_path: Path) -> None:
    with (
        administered_mysql(tmp_path / "mysql") as environment,
        account(environment, "narrow", f"{ALL_BUT_TRIGGER} ON lending.*") as narrow,
    ):
        refused = refusal(narrow)
        administer(environment, "GRANT TRIGGER ON lending.* TO narrow")
        applied = migrated(narrow)
        # With nothing to make, nobody asks for the right to make it.
        administer(environment, "REVOKE TRIGGER ON lending.* FROM narrow")
        again = migrated(narrow)

    assert "lacks the TRIGGER privilege" in refused
    assert applied
    assert again == []


def test_a_role_counts_as_well(tmp_path: Path) -> None:
    with administered_mysql(tmp_path / "mysql") as environment:
        administer(environment, "CREATE ROLE maker")
        administer(environment, f"GRANT {ALL_BUT_TRIGGER}, TRIGGER ON lending.* TO maker")
        with account(environment, "narrow", "maker") as narrow:
            administer(environment, "SET DEFAULT ROLE maker FOR narrow")
            assert migrated(narrow)
