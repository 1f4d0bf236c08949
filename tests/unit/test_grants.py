"""What SHOW GRANTS says, in the forms of MySQL and MariaDB."""

import pytest

from db.findings import Verdict
from db.grants import grants, read_grants
from db.server_checks import judge_version

OF_MYSQL = "GRANT SELECT, INSERT, TRIGGER ON `lending`.* TO `app`@`%`"
OF_MARIADB = "GRANT ALL PRIVILEGES ON `lending%`.* TO `app`@`%` WITH GRANT OPTION"


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        (OF_MYSQL, True),
        (OF_MARIADB, True),
        ("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*00'", False),
        ("GRANT SELECT, TRIGGER, CREATE ROLE ON *.* TO `root`@`localhost` WITH GRANT OPTION", True),
        ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`", True),
        ("GRANT TRIGGER ON `lending`.`loans` TO `app`@`%`", True),
        ("GRANT TRIGGER ON `lending`.`customers` TO `app`@`%`", False),
        ("GRANT TRIGGER ON `other`.* TO `app`@`%`", False),
        ("GRANT TRIGGER ON `len_ing`.* TO `app`@`%`", True),
        (r"GRANT TRIGGER ON `len\_ing`.* TO `app`@`%`", False),
        ("GRANT `maker`@`%` TO `app`@`%`", False),
        ("GRANT EXECUTE ON PROCEDURE `lending`.`loans` TO `app`@`%`", False),
        ("GRANT PROXY ON ''@'' TO 'root'@'localhost' WITH GRANT OPTION", False),
    ],
)
def test_a_privilege_is_found_at_every_level(line: str, allowed: bool) -> None:  # noqa: FBT001 - of a table
    assert read_grants([line], "lending").allow("TRIGGER", "loans") is allowed


def test_a_right_to_some_columns_is_none_to_the_table() -> None:
    granted = read_grants(
        ["GRANT SELECT (a, `b`), UPDATE (`status`), INSERT ON `lending`.`loans` TO `app`@`%`"], "lending"
    )

    assert [granted.allow(each, "loans") for each in ("SELECT", "UPDATE", "INSERT")] == [False, False, True]


def test_the_levels_add_up() -> None:
    granted = read_grants([OF_MYSQL, "GRANT UPDATE ON `lending`.`loans` TO `app`@`%`"], "lending")

    assert granted.allow("UPDATE", "loans")
    assert granted.allow("INSERT", "loans")
    assert not granted.allow("UPDATE", "customers")
    assert not granted.allow_everywhere("SUPER")


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("8.0.36", Verdict.OK),
        ("8.4.3", Verdict.OK),
        ("9.7.4-2", Verdict.OK),
        ("8.0.mysql_aurora.3.08.0", Verdict.OK),
        ("10.6.0-MariaDB", Verdict.OK),
        ("5.5.5-10.11.18-MariaDB-log", Verdict.OK),
        ("5.7.44-log", Verdict.FAILED),
        ("10.5.29-MariaDB", Verdict.FAILED),
        ("8.0.36-MariaDB", Verdict.FAILED),
        ("TiDB", Verdict.FAILED),
    ],
)
def test_a_version_is_judged_by_its_kind(version: str, verdict: Verdict) -> None:
    assert judge_version(version).verdict is verdict


def test_the_active_roles_of_mysql_are_asked_for() -> None:
    """MariaDB shows their grants by itself."""
    shown = {
        "SELECT DATABASE(), CURRENT_ROLE()": (("lending", "`maker`@`%`"),),
        "SHOW GRANTS FOR CURRENT_USER() USING `maker`@`%`": ((OF_MYSQL,),),
    }

    assert grants(shown.__getitem__).allow("TRIGGER", "loans")
