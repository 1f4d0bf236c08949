"""The migration makes three accounts: each may do what it does, and nothing else."""

import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pymysql
import pytest

from db import custom_resource
from db.accounts import FUNCTIONS, Accounts, accounts_of, as_owner, grant_all
from db.errors import MigrationError
from db.grants import grants
from db.migrate import migrate, take_triggers
from lending.adapters.mysql_jobs import connect as connect_as
from lending.adapters.mysql_jobs import query_on
from lending.config import InvalidSettingError, Settings
from testkit.accounts import PASSWORD, accounts_for_tests, as_administrator
from testkit.cloudformation import cloudformation_waits
from testkit.database import Database, connect, own_database
from testkit.fakes import Customer, a_loan
from testkit.service import wired

ASHA = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
DEFINERS = "SELECT DISTINCT definer FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
TRIGGERS = "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
REFUSED = {1044, 1142, 1143, 1227, 1370, 1410}
"""What servers answer to who may not: by database, table, column, on the whole server."""


@pytest.fixture(scope="module")
def accounts() -> Accounts:
    return accounts_for_tests(f"_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")


@pytest.fixture(scope="module")
def made(mysql_environment: dict[str, str], accounts: Accounts) -> Iterator[Database]:
    """A database that was migrated before there were accounts, and then with them; its login is the administrator's."""
    environment = as_administrator(mysql_environment)
    with own_database(environment, "accounts") as database:
        if not grants(query_on(database.connection)).allow_everywhere("CREATE USER"):
            pytest.skip("this server's account may make no others")
        migrate(database.connection)
        database.execute("DROP TRIGGER loans_deleted")  # as one that was killed half-way
        try:
            deploy(database, accounts)
            yield database
        finally:
            for name in (accounts.owner, accounts.functions, accounts.importer):
                database.execute(f"DROP USER IF EXISTS '{name}'")


def deploy(database: Database, accounts: Accounts) -> None:
    settings = Settings.from_env(database.environment)
    with as_owner(database.connection, settings, accounts) as owner, connect_as(owner) as connection:
        migrate(connection)
        take_triggers(connection)
        grant_all(database.connection, settings, accounts)


def entered(database: Database, name: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return connect(database.environment | {"DB_USER": name, "DB_PASSWORD": PASSWORD})


def test_all_triggers_are_the_owners_who_is_locked(made: Database, accounts: Accounts) -> None:
    assert made.execute(DEFINERS) == ((f"{accounts.owner}@%",),)
    assert made.execute(TRIGGERS) == ((5,),)
    with pytest.raises(pymysql.OperationalError, match=r"(?i)locked|denied"):
        entered(made, accounts.owner)


def test_a_deployment_with_nothing_new_changes_nothing_but_what_was_granted_beside(
    made: Database, accounts: Accounts
) -> None:
    name = made.environment["DB_NAME"]
    before = granted(made, accounts.functions)
    made.execute(f"GRANT DELETE ON {name}.loans TO '{accounts.functions}'")
    made.execute(f"GRANT UPDATE (loan_amount) ON {name}.loans TO '{accounts.functions}'")
    made.execute(f"GRANT DROP ON `{name.replace('_', chr(92) + '_')}`.* TO '{accounts.functions}'")
    made.execute(f"GRANT PROCESS ON *.* TO '{accounts.functions}'")
    made.execute(f"REVOKE SELECT ON {name}.loans FROM '{accounts.functions}'")  # noqa: S608 - names of our own

    deploy(made, accounts)

    assert granted(made, accounts.functions) == before
    assert before == (frozenset({"USAGE"}), frozenset(), FUNCTIONS)
    assert made.execute(TRIGGERS) == ((5,),)


def granted(database: Database, name: str) -> tuple[frozenset[str], frozenset[str], dict[str, frozenset[str]]]:
    with entered(database, name) as connection:
        found = grants(query_on(connection))
        return found.everywhere, found.database, found.tables


FOR_NOBODY = [
    "CREATE TABLE another (x INT)",
    "ALTER TABLE loans ADD COLUMN x INT",
    "DROP TABLE loans",
    "TRUNCATE TABLE declined_requests",
    "DROP TRIGGER loans_inserted",
    "CREATE TRIGGER more AFTER INSERT ON loans FOR EACH ROW SET @x = 1",
    "CREATE INDEX more ON loans (tenure)",
    "DELETE FROM loans",
    "DELETE FROM customers",
    "DELETE FROM declined_requests",
    "UPDATE declined_requests SET credit_score = 100",
    "UPDATE schema_migrations SET finished_at = NULL",
    "DELETE FROM policies",
    "UPDATE cache_invalidations SET customer_id = 1",
    "SELECT * FROM mysql.user",
    "CREATE USER somebody",
    "GRANT SELECT ON loans TO CURRENT_USER()",
    "SET GLOBAL max_connections = 1",
    "LOCK TABLES loans WRITE",
]
FOR_THE_IMPORTER = [
    "UPDATE loans SET loan_amount = 1",
    "UPDATE loans SET status = 'PAID'",
    "UPDATE customers SET monthly_salary = 1000000",
    "UPDATE customers SET approved_limit = 1000000",
    "UPDATE customers SET on_hold = 0",
    "INSERT INTO customers (customer_id, first_name) VALUES (9, 'Asha')",
    "INSERT INTO cache_invalidations (customer_id) VALUES (1)",
    "CREATE TEMPORARY TABLE staged (x INT)",
    "DELETE FROM import_holds",
    "SELECT * FROM import_holds",
]
FOR_THE_FUNCTIONS = ["SELECT * FROM declined_requests"]


@pytest.mark.parametrize("statement", [*FOR_NOBODY, *FOR_THE_IMPORTER])
def test_the_functions_may_do_nothing_else(statement: str, made: Database, accounts: Accounts) -> None:
    refused(made, accounts.functions, statement)


@pytest.mark.parametrize("statement", [*FOR_NOBODY, *FOR_THE_FUNCTIONS])
def test_the_importer_may_do_nothing_else(statement: str, made: Database, accounts: Accounts) -> None:
    refused(made, accounts.importer, statement)


def refused(database: Database, name: str, statement: str) -> None:
    with entered(database, name) as connection, pytest.raises(pymysql.MySQLError) as failure:
        query_on(connection)(statement)

    assert failure.value.args[0] in REFUSED, failure.value


def test_what_others_write_tells_the_cache_by_the_owners_triggers(made: Database, accounts: Accounts) -> None:
    made.add_customer(1001, ASHA, [a_loan()])
    with entered(made, accounts.importer) as connection:
        query_on(connection)("UPDATE loans SET emis_paid_on_time = emis_paid_on_time - 1")

    assert made.execute("SELECT customer_id FROM cache_invalidations") == ((1001,),)


def test_the_stacks_migration_makes_them_too(
    made: Database, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_resource, "accounts_of", lambda _: accounts)
    made.execute(f"DROP USER '{accounts.functions}'")
    made.execute("DROP TRIGGER customers_updated")

    with cloudformation_waits() as cloudformation, wired(made.environment, monkeypatch):
        answer = cloudformation.request("Update")

    assert (answer["Status"], answer["Reason"]) == ("SUCCESS", "nothing to do")
    assert granted(made, accounts.functions)[2] == FUNCTIONS
    assert made.execute(TRIGGERS) == ((5,),)
    assert made.execute(DEFINERS) == ((f"{accounts.owner}@%",),)


def test_a_migration_that_fails_leaves_the_owner_locked(made: Database, accounts: Accounts, tmp_path: Path) -> None:
    (tmp_path / "0001_broken.sql").write_text("CREATE TABEL b (x INT);\n")
    settings = Settings.from_env(made.environment)

    with (
        pytest.raises(MigrationError),
        as_owner(made.connection, settings, accounts) as owner,
        connect_as(owner) as connection,
    ):
        migrate(connection, tmp_path)

    with pytest.raises(pymysql.OperationalError, match=r"(?i)locked"):
        connect_as(owner)


def test_an_account_that_cannot_be_made_is_named_without_a_password(made: Database, accounts: Accounts) -> None:
    by_iam = replace(accounts, identified="WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL")

    with pytest.raises(MigrationError, match=r"USER .*lending_functions") as failure:
        grant_all(made.connection, Settings.from_env(made.environment), by_iam)

    assert PASSWORD not in str(failure.value)


def test_accounts_are_made_where_the_stack_says_so() -> None:
    made = accounts_of({"DB_ACCOUNTS": "iam"})

    assert made is not None
    assert made.identified == "WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL"
    assert accounts_of({}) is accounts_of({"DB_ACCOUNTS": ""}) is None
    with pytest.raises(InvalidSettingError, match="DB_ACCOUNTS must be iam or empty"):
        accounts_of({"DB_ACCOUNTS": "password"})
