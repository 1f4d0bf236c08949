"""How checks are carried out: whatever goes wrong in one is what it found."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pymysql
from redis.exceptions import ResponseError

from db.findings import Finding, Verdict, unknown
from lending.errors import LendingError
from lending.ports import CacheAwayError

NOT_ALLOWED = {1044, 1142, 1143, 1227}
"""What the database answers to an account that may not do this; whether it need is for each check to say."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
"""Hosts to which the way is within this machine."""
AGAIN = "ask again; if it stays, see the server's log"


class Result(NamedTuple):
    """A check that was carried out."""

    check: str
    finding: Finding


def carried_out(checks: Mapping[str, Callable[[], Finding]]) -> Iterator[Result]:
    """Yield what each check found, by its name."""
    for name, look in checks.items():
        yield Result(name, _carry_out(look))


def _carry_out(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (CacheAwayError, LendingError, pymysql.MySQLError, OSError) as exc:
        cause = exc.__cause__ or exc
        denied = isinstance(cause, pymysql.MySQLError) and cause.args[0] in NOT_ALLOWED
        if denied or isinstance(cause, ResponseError):
            return unknown(words_of(cause))
        return Finding(Verdict.FAILED, words_of(root_of(exc)), AGAIN)


def root_of(exc: BaseException) -> BaseException:
    """Return what an exception was raised from in the end."""
    cause = exc.__cause__ or exc.__context__
    return exc if cause is None else root_of(cause)


def words_of(exc: BaseException) -> str:
    """Return what an exception says in one line, without its number."""
    said = exc.args[-1] if isinstance(exc, pymysql.MySQLError) and exc.args else exc
    return " ".join(str(said).split()) or type(exc).__name__
