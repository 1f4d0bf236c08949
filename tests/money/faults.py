"""What can go wrong with a create-loan request on its way, and when."""

import random
from enum import Enum
from typing import NamedTuple


class Event(Enum):
    """Something that goes wrong."""

    HANDLER_KILLED = "kill -9 of the handler, at a statement"
    HANDLER_KILLED_ANY_TIME = "kill -9 of the handler, at any moment"
    CONNECTION_KILLED = "KILL CONNECTION"
    QUERY_KILLED = "KILL QUERY"
    REQUEST_CUT = "connection reset before the server got the statement"
    REPLY_CUT = "connection reset before the handler got the reply"
    REQUEST_DROPPED = "statement lost without a word"
    REPLY_DROPPED = "reply lost without a word"
    REQUEST_LATE = "statement arrives after the handler gave up on it"
    SERVER_KILLED = "kill -9 of the server, and its start"
    SERVER_RESTARTED = "stop of the server, and its start"


RARE = {
    Event.REQUEST_DROPPED,
    Event.REPLY_DROPPED,
    Event.REQUEST_LATE,
    Event.SERVER_KILLED,
    Event.SERVER_RESTARTED,
}
"""Each costs seconds, or disturbs all others at once."""

LOSES_THE_REPLY = {
    Event.REQUEST_CUT,
    Event.REPLY_CUT,
    Event.REQUEST_DROPPED,
    Event.REPLY_DROPPED,
    Event.REQUEST_LATE,
}
"""Faults after which the handler lives on and does not know the outcome of its statement."""

WEIGHTS = [1 if event in RARE else 12 for event in Event]

STATEMENTS = 12
"""About how many statements a request sends, including those of a new connection."""


class Fault(NamedTuple):
    """An event and the statement at which it happens."""

    event: Event
    statement: int | None
    """The number of the statement in the request, counted from 0; None for its first COMMIT."""

    @property
    def at_commit(self) -> bool:
        """Whether it certainly happens at a COMMIT."""
        return self.statement is None and self.event is not Event.HANDLER_KILLED_ANY_TIME


def random_fault(rng: random.Random) -> Fault:
    """Return a fault; half of all happen at the COMMIT, where they matter most."""
    (event,) = rng.choices(list(Event), WEIGHTS)
    return Fault(event, None if rng.random() < 0.5 else rng.randrange(STATEMENTS))
