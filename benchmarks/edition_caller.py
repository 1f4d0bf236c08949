"""Calls the edition of the service that it is run in: a line in names a request, a line out tells its nanoseconds.

First of all it tells where its database and its cache listen, a line each, and is told on which ports to reach them.
For benchmarks/editions.py. It may be run in an older checkout, and so uses only what all of them have.
"""

import os
import sys
from functools import partial

from benchmarks.interleaved import Subject, timed
from benchmarks.machine import pin_apart
from benchmarks.requests import CREATED, check_event, checking, create_event, creating, new_key
from benchmarks.stores import Stores, private_stores

ASKED, MISSED, BORROWER = 1, 2, 3
LOANS = 10


def main() -> None:
    """Answer until the input ends."""
    # What the handlers print belongs on standard output, which nobody reads here.
    with os.fdopen(os.dup(1), "w", buffering=1) as replies, private_stores() as stores:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        stores.add_customers([(number, LOANS) for number in (ASKED, MISSED, BORROWER)])
        pin_apart(stores.processes)
        for name in ("DB_PORT", "REDIS_PORT"):
            print(os.environ[name], file=replies)
            os.environ[name] = sys.stdin.readline().strip()
        subjects = _subjects(stores)
        for line in sys.stdin:
            subject = subjects[line.strip()]
            nanoseconds, answer = timed(subject)
            print(nanoseconds if subject.expected(answer) else "stray", file=replies)


def _subjects(stores: Stores) -> dict[str, Subject]:
    def forgotten() -> dict[str, object]:
        stores.forget(MISSED)
        return check_event(MISSED)

    return {
        "hit": checking(partial(check_event, ASKED), "hit"),
        "miss": checking(forgotten, "fwd=miss; stored"),
        "loan": creating(lambda: create_event(BORROWER, new_key()), CREATED),
    }


main()
