"""The migration records which rules hold from when on, and refuses a release that would change them unnoticed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from db.migrate import migrate
from db.policies import PolicyRefusedError, record_policies, refuse_policies
from lending.domain.policy import Policy
from testkit.database import Database, own_database
from testkit.fakes import POLICY

TODAY = date(2027, 1, 10)


@pytest.fixture
def fresh(mysql_environment: dict[str, str]) -> Iterator[Database]:
    with own_database(mysql_environment, "policies") as database:
        yield database


def from_day(days: int, name: str = "2") -> Policy:
    """Return a policy that begins so many days from TODAY."""
    return POLICY._replace(hash=name * 32, effective_from=TODAY + timedelta(days))


def deployed(database: Database, *policies: Policy, today: date = TODAY) -> set[tuple[Any, ...]]:
    """Deploy a release with these policies; return what is recorded then."""
    refuse_policies(database.connection, policies, today)
    migrate(database.connection)
    record_policies(database.connection, policies, today)
    return set(database.execute("SELECT hash, effective_from FROM policies"))


def recorded(*policies: Policy) -> set[tuple[Any, ...]]:
    return {(policy.hash, policy.effective_from) for policy in policies}


@pytest.mark.parametrize("days", [-1, 0, 1, 2])
def test_a_database_without_policies_takes_whatever_comes(fresh: Database, days: int) -> None:
    assert deployed(fresh, POLICY, from_day(days)) == recorded(POLICY, from_day(days))


def test_a_new_policy_begins_in_two_days_at_the_earliest(fresh: Database) -> None:
    deployed(fresh, POLICY)
    for days in (-500, 0, 1):
        with pytest.raises(PolicyRefusedError, match=r"policy 2{32} is new and begins on .* may be 2027-01-12"):
            deployed(fresh, POLICY, from_day(days))

    assert deployed(fresh, POLICY, from_day(2)) == recorded(POLICY, from_day(2))
    for later in (1, 2, 9):
        assert deployed(fresh, POLICY, from_day(2), today=TODAY + timedelta(later)) == recorded(POLICY, from_day(2))


def test_a_release_that_lacks_the_policy_in_force_is_refused(fresh: Database) -> None:
    deployed(fresh, POLICY, from_day(2), from_day(9, "9"))

    with pytest.raises(PolicyRefusedError, match=r"lacks policy 2{32}, which is in force since 2027-01-12"):
        deployed(fresh, POLICY, today=TODAY + timedelta(2))
    with pytest.raises(PolicyRefusedError, match=r"lacks policy 9{32}"):
        deployed(fresh, POLICY, from_day(2), today=TODAY + timedelta(9))
    # Those before it decide nothing any more, but are remembered.
    everything = recorded(POLICY, from_day(2), from_day(9, "9"))
    assert deployed(fresh, from_day(9, "9"), today=TODAY + timedelta(9)) == everything


def test_a_policy_may_be_withdrawn_three_days_before_it_begins_and_so_come_back_in_a_rollback(fresh: Database) -> None:
    deployed(fresh, POLICY, from_day(9))

    for days in (7, 8):
        with pytest.raises(PolicyRefusedError, match=r"lacks policy 2{32}, which begins on .* was 2027-01-16"):
            deployed(fresh, POLICY, today=TODAY + timedelta(days))
    assert deployed(fresh, POLICY, today=TODAY + timedelta(6)) == recorded(POLICY)
    # The next day, since a deployment may fail beyond midnight.
    assert deployed(fresh, POLICY, from_day(9), today=TODAY + timedelta(7)) == recorded(POLICY, from_day(9))


def test_a_release_without_a_policy_in_force_is_refused(fresh: Database) -> None:
    with pytest.raises(PolicyRefusedError, match="none of this release's policies is in force on 2027-01-10"):
        deployed(fresh, from_day(1))


def test_an_edited_policy_in_force_is_another_and_is_refused(fresh: Database) -> None:
    deployed(fresh, POLICY)

    with pytest.raises(PolicyRefusedError, match=f"lacks policy {POLICY.hash}"):
        deployed(fresh, POLICY._replace(hash="e" * 32))


def test_a_refused_release_changes_nothing(fresh: Database) -> None:
    migrate(fresh.connection)
    record_policies(fresh.connection, [from_day(-9000)], TODAY)
    fresh.execute("DELETE FROM schema_migrations WHERE version = 1")

    command = [sys.executable, "-m", "db.migrate"]
    run = subprocess.run(command, env=os.environ | fresh.environment, capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert f"migrate: this release lacks policy {'2' * 32}" in run.stderr
    assert fresh.execute("SELECT COUNT(*) FROM schema_migrations WHERE version = 1") == ((0,),)
