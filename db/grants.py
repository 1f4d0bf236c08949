"""What an account may do, read from SHOW GRANTS: an account may always see its own."""

import re
from typing import NamedTuple

from lending.adapters.mysql_jobs import Query

GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<database>`(?:[^`]|``)+`|\*)\.(?P<table>`(?:[^`]|``)+`|\*) TO ")
ROLE_OF_MYSQL = "`@`"
"""MySQL names a role like an account; MariaDB does not, and shows its grants unasked."""


class Grants(NamedTuple):
    """The privileges of an account in one database."""

    everywhere: frozenset[str]
    """On all databases."""
    database: frozenset[str]
    """On all tables of this one."""
    tables: dict[str, frozenset[str]]

    def allow(self, privilege: str, table: str) -> bool:
        """Return whether the account may do this with the whole of a table, or with the columns that are named."""
        held = self.everywhere | self.database | self.tables.get(table, frozenset())
        return bool(held & {privilege, privilege.split(" (", 1)[0], "ALL PRIVILEGES"})

    def allow_everywhere(self, privilege: str) -> bool:
        """Return whether the account may do this on the whole server."""
        return privilege in self.everywhere or "ALL PRIVILEGES" in self.everywhere


def grants(query: Query) -> Grants:
    """Return what the connected account may do in its current database, its active roles included."""
    ((database, role),) = query("SELECT DATABASE(), CURRENT_ROLE()")
    using = f" FOR CURRENT_USER() USING {role}" if role and ROLE_OF_MYSQL in role else ""
    return read_grants([row[0] for row in query(f"SHOW GRANTS{using}")], database)


def read_grants(lines: list[str], database: str) -> Grants:
    """Return what lines of SHOW GRANTS say of a database."""
    everywhere: set[str] = set()
    whole: set[str] = set()
    tables: dict[str, frozenset[str]] = {}
    for line in lines:
        grant = GRANT.match(line)
        if grant is None:
            continue  # of a role, a proxy, a routine
        # "SELECT (phone_number)" is no SELECT: a right to these columns alone.
        given = set(re.split(r", ?(?![^(]*\))", grant["privileges"].replace("`", "")))
        if grant["database"] == "*":
            everywhere |= given
        elif grant["table"] == "*":
            whole |= given if _pattern(_name(grant["database"])).fullmatch(database) else set()
        elif _name(grant["database"]) == database:
            table = _name(grant["table"])
            tables[table] = tables.get(table, frozenset()) | given
    return Grants(frozenset(everywhere), frozenset(whole), tables)


def _name(quoted: str) -> str:
    return quoted[1:-1].replace("``", "`")


def _pattern(name: str) -> re.Pattern[str]:
    r"""Return what a grant's database name stands for: `_` is any character, `%` are any, and `\_` is itself."""
    wild = {"_": ".", "%": ".*"}
    parts = re.findall(r"\\.|.", name)
    return re.compile("".join(wild.get(part) or re.escape(part.removeprefix("\\") or part) for part in parts))
