"""The record of policies: a release neither changes the rules within two days nor drops the ones in force."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from lending.adapters.mysql_jobs import query_on
from lending.domain.policy import Policy

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

DAYS_AHEAD = 2
"""A deployment takes less. By then no environment is left that does not know of the policy."""
DAYS_TO_WITHDRAW = DAYS_AHEAD + 1
"""A deployment that withdraws a policy may be rolled back, also beyond midnight: the policy is a new one then."""


class PolicyRefusedError(Exception):
    """The release's policies do not follow from those recorded; the message says why."""


def refuse_policies(connection: "pymysql.Connection[Cursor]", policies: Sequence[Policy], today: date) -> None:
    """Refuse a release by its policies, before anything is changed.

    Raises:
        PolicyRefusedError: It has none in force, lacks the recorded one in force or one that begins soon, or one that
            is not recorded begins too soon.
    """
    recorded = _recorded(connection)
    known = {policy.hash for policy in policies}
    if policies[0].effective_from > today:
        raise PolicyRefusedError(f"none of this release's policies is in force on {today}")
    begun = [(day, hash_) for hash_, day in recorded.items() if day <= today]
    if begun and max(begun)[1] not in known:
        day, hash_ = max(begun)
        raise PolicyRefusedError(
            f"this release lacks policy {hash_}, which is in force since {day}: decisions would follow older rules"
        )
    for hash_, day in recorded.items():
        if hash_ not in known and today < day < today + timedelta(days=DAYS_TO_WITHDRAW):
            raise PolicyRefusedError(
                f"this release lacks policy {hash_}, which begins on {day}: until it is withdrawn, an environment of "
                f"an older release may decide by it; the last day to withdraw it was "
                f"{day - timedelta(days=DAYS_TO_WITHDRAW)}"
            )
    for policy in policies:
        if recorded and policy.hash not in recorded and policy.effective_from < today + timedelta(days=DAYS_AHEAD):
            raise PolicyRefusedError(
                f"policy {policy.hash} is new and begins on {policy.effective_from}: on {today} the first day may be "
                f"{today + timedelta(days=DAYS_AHEAD)}, so that no environment of an older release is left by then"
            )


def record_policies(connection: "pymysql.Connection[Cursor]", policies: Sequence[Policy], today: date) -> None:
    """Record the policies of a release that was not refused; forget those that it withdraws before they began."""
    known = {policy.hash for policy in policies}
    withdrawn = [(hash_,) for hash_, day in _recorded(connection).items() if day > today and hash_ not in known]
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM policies WHERE hash = %s", withdrawn)
        cursor.executemany(
            "INSERT IGNORE INTO policies (hash, effective_from) VALUES (%s, %s)",
            [(policy.hash, policy.effective_from) for policy in policies],
        )
    connection.commit()


def _recorded(connection: "pymysql.Connection[Cursor]") -> dict[str, date]:
    """Return the first day of each recorded policy, by its hash; nothing where none was ever recorded."""
    try:
        return dict(query_on(connection)("SELECT hash, effective_from FROM policies"))
    except pymysql.ProgrammingError as exc:
        if exc.args[0] != ER.NO_SUCH_TABLE:
            raise
        return {}
