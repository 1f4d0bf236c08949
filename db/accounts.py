"""The accounts of a database: one owns schema and triggers, one is the functions', one the importer's.

The owner's password is made anew for each migration and forgotten, and between migrations the account is locked. Its
triggers run all the same. So no trigger depends on who happened to migrate, and the migrating account needs neither
SUPER nor SET_ANY_DEFINER (SET_USER_ID before MySQL 8.2) to name it as their definer, which RDS need not grant.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pymysql

from db.errors import MigrationError
from db.grants import read_grants
from lending.adapters.mysql_jobs import query_on
from lending.config import InvalidSettingError, Settings

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

Needs = Mapping[str, frozenset[str]]
"""Privileges by table; "*" is every table."""

OWNER: Needs = {
    "*": frozenset(
        {
            *("SELECT", "INSERT", "UPDATE", "DELETE", "LOCK TABLES", "TRIGGER"),
            *("CREATE", "DROP", "ALTER", "INDEX", "REFERENCES"),
        }
    )
}
SWEEPING = frozenset({"SELECT", "UPDATE (swept_at)", "DELETE"})
FUNCTIONS: Needs = {
    # Whoever locks a row must be allowed to change something in it: here the column that no rule reads.
    "customers": frozenset({"SELECT", "UPDATE (current_debt)"}),
    "loans": frozenset({"SELECT", "INSERT"}),
    "declined_requests": frozenset({"SELECT", "INSERT"}),
    "cache_invalidations": SWEEPING,
}
"""What the functions do. What triggers write, their definer writes."""
IMPORTER: Needs = {
    "*": frozenset({"CREATE TEMPORARY TABLES"}),
    "customers": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "loans": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "import_holds": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"}),
    "cache_invalidations": SWEEPING | {"INSERT"},
}


@dataclass(frozen=True)
class Accounts:
    """What the accounts are called, and how the functions' and the importer's log in."""

    identified: str
    """The end of CREATE USER, after IDENTIFIED."""
    owner: str = "lending_owner"
    functions: str = "lending_functions"
    importer: str = "lending_importer"


BY_IAM = Accounts("WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL")


def accounts_of(environ: Mapping[str, str]) -> Accounts | None:
    """Return the accounts that a migration is to make; None leaves everything to the one that migrates.

    Raises:
        InvalidSettingError: DB_ACCOUNTS is neither empty nor iam.
    """
    text = environ.get("DB_ACCOUNTS", "")
    if text not in {"", "iam"}:
        raise InvalidSettingError(f"DB_ACCOUNTS must be iam or empty, not {text!r}")
    return BY_IAM if text else None


@contextmanager
def as_owner(
    connection: "pymysql.Connection[Cursor]", settings: Settings, accounts: Accounts | None
) -> Iterator[Settings]:
    """Yield settings to log in as the owner, who is made or unlocked for as long; without accounts the given ones."""
    if accounts is None:
        yield settings
        return
    password = f"{secrets.token_urlsafe(32)}-aA1"  # every policy's kinds of characters
    _identify(connection, accounts.owner, f"BY '{password}' ACCOUNT UNLOCK")
    try:
        _grant(connection, accounts.owner, OWNER, settings.db_name)
        yield replace(settings, db_iam_user=None, db_secret_id=None, db_user=accounts.owner, db_password=password)
    finally:
        _execute(connection, f"ALTER USER '{accounts.owner}'@'%' ACCOUNT LOCK")


def grant_all(connection: "pymysql.Connection[Cursor]", settings: Settings, accounts: Accounts) -> None:
    """Make the functions' account and the importer's, or see that they may do what they need and no more.

    Raises:
        MigrationError: The server refuses.
    """
    for account, needs in ((accounts.functions, FUNCTIONS), (accounts.importer, IMPORTER)):
        _identify(connection, account, accounts.identified)
        _grant(connection, account, needs, settings.db_name)


def _identify(connection: "pymysql.Connection[Cursor]", account: str, identified: str) -> None:
    _execute(connection, f"CREATE USER IF NOT EXISTS '{account}'@'%' IDENTIFIED {identified}")
    _execute(connection, f"ALTER USER '{account}'@'%' IDENTIFIED {identified}")


def _grant(connection: "pymysql.Connection[Cursor]", account: str, needs: Needs, database: str) -> None:
    """Grant first and revoke afterwards: the account may be at work."""
    for table, privileges in needs.items():
        _execute(connection, f"GRANT {_list(privileges)} ON {_place(database, table)} TO '{account}'@'%'")
    lines = [row[0] for row in query_on(connection)(f"SHOW GRANTS FOR '{account}'@'%'")]
    held = read_grants(lines, database)
    for table, privileges in {"*": held.database, **held.tables}.items():
        if surplus := privileges - needs.get(table, frozenset()):
            _execute(connection, f"REVOKE {_list(surplus)} ON {_place(database, table)} FROM '{account}'@'%'")
    if everywhere := held.everywhere - {"USAGE"}:
        _execute(connection, f"REVOKE {_list(everywhere)} ON *.* FROM '{account}'@'%'")


def _list(privileges: frozenset[str]) -> str:
    return ", ".join(sorted(privileges))


def _place(database: str, table: str) -> str:
    if table != "*":
        return f"`{database}`.`{table}`"
    pattern = database.replace("_", r"\_").replace("%", r"\%")  # as it is one for all tables, and only there
    return f"`{pattern}`.*"


def _execute(connection: "pymysql.Connection[Cursor]", statement: str) -> None:
    try:
        query_on(connection)(statement)
    except pymysql.MySQLError as exc:
        subject = statement.split(" IDENTIFIED ", 1)[0]  # without a password
        raise MigrationError(f"{subject}: {exc.args[-1]}") from exc
