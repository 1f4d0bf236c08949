"""What the service asks of a database server before it has a table: the migration refuses one that fails by name."""

import re
from collections.abc import Callable

import pymysql

from db.findings import Finding, failed, ok
from db.grants import Grants
from lending.adapters.mysql_connection import READ_ONLY, SERVER, WRITABLE
from lending.adapters.mysql_jobs import Query

LEAST_MYSQL, LEAST_MARIADB = (8, 0), (10, 6)
UNKNOWN_VARIABLE = 1193

ServerCheck = Callable[[Query], Finding]


def version(query: Query) -> Finding:
    """Tell whether the server knows CHECK constraints, SKIP LOCKED and whatever else the SQL rests on."""
    ((text,),) = query("SELECT VERSION()")
    return judge_version(str(text))


def judge_version(text: str) -> Finding:
    """Tell whether a server of this version is new enough."""
    mariadb = "mariadb" in text.lower()
    name, least = ("MariaDB", LEAST_MARIADB) if mariadb else ("MySQL", LEAST_MYSQL)
    # MariaDB may put a "5.5.5-" before its own, for replicas that expect MySQL.
    numbers = re.search(r"(\d+)\.(\d+)", text.removeprefix("5.5.5-"))
    found = f"{name} {text}"
    if numbers is None or (int(numbers[1]), int(numbers[2])) < least:
        return failed(found, "MySQL 8.0 or MariaDB 10.6 is the least")
    return ok(found)


def takes_writes(query: Query) -> Finding:
    """Tell whether the server is the writer."""
    (read_only,) = query(f"SELECT {READ_ONLY} FROM {SERVER}")  # noqa: S608 - names of our own
    if not WRITABLE.issuperset(read_only):
        found = f"read_only={read_only[0]}, innodb_read_only={read_only[1]}"
        return failed(found, "let DB_HOST name the writer, which takes writes")
    return ok("read_only is off")


def binary_log(query: Query) -> Finding:
    """Tell whether loans can be written to the binary log: READ COMMITTED cannot be logged by statement (1665)."""
    ((log_bin,),) = query("SELECT @@global.log_bin")
    if not log_bin:
        return ok("off")
    logged_by = _variable(query, "binlog_format") or "ROW"
    if logged_by == "STATEMENT":
        return failed(
            "binlog_format=STATEMENT, with which no loan can be made",
            "set binlog_format to ROW or MIXED",
        )
    return ok(f"binlog_format={logged_by}")


def may_make_triggers(query: Query, granted: Grants, table: str) -> Finding:
    """Tell whether this account may make the triggers by which other writers tell the cache.

    Beside a binary log the server wants SUPER for it (1419), unless it is told to trust whoever may make them.
    """
    if not granted.allow("TRIGGER", table):
        found = "this account lacks the TRIGGER privilege"
        return failed(found, "GRANT TRIGGER ON the database's tables to it")
    ((log_bin,),) = query("SELECT @@global.log_bin")
    trusted = _variable(query, "log_bin_trust_function_creators")
    if log_bin and trusted == 0 and not granted.allow_everywhere("SUPER"):
        return failed(
            "the server writes a binary log and log_bin_trust_function_creators is off",
            "set log_bin_trust_function_creators = 1 (on RDS in the parameter group), or migrate with SUPER",
        )
    return ok("this account may")


def _variable(query: Query, name: str) -> object:
    """Return a global variable, None where this version has it no more."""
    try:
        ((value,),) = query(f"SELECT @@global.{name}")
    except pymysql.MySQLError as exc:
        if exc.args[0] != UNKNOWN_VARIABLE:
            raise
        return None
    return value


BEFORE_ANY_MIGRATION: tuple[ServerCheck, ...] = (version, takes_writes, binary_log)
