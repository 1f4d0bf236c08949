"""The score cache in Redis: leases for readers, markers for writers, and never in the way.

Under `credit_score:{customer_id}` lies one of
    {...}              a profile's document, for a day
    lease:RANDOM       a reader has missed and is reading the database; only it may fill the entry, for five seconds
    write:REQUEST_ID   a loan is being made; nobody fills the entry until its writer, or the time, removes the marker
Anything else is taken for a miss and replaced. A plain DEL is always a correct invalidation.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

from typing_extensions import override

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_connection import RedisConnection, Wait
from lending.adapters.redis_scripts import (
    DELETE_IF_SAME,
    DELETE_UNLESS_MARKED,
    LEASE_IF_SAME,
    LOOK_UP,
    PEEK,
    SET_IF_SAME,
    SET_MARKER,
)
from lending.adapters.score_document import from_document, to_document
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile
from lending.patience import Patience
from lending.ports import MARKER, BypassReason, CacheAwayError, Fill, LookUp, ScoreCache

LEASE = b"lease:"


class RedisScoreCache(ScoreCache):
    """ScoreCache for one request: all its waiting together stays within the patience's cache_total."""

    def __init__(self, connection: RedisConnection, keyspace: Keyspace, patience: Patience) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._patience = patience
        self._seconds_left = patience.cache_total

    @override
    def look_up(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        return self._unless_away(self._look_up, customer_id, today, policy)

    @override
    def peek(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        return self._unless_away(self._peek, customer_id, today, policy)

    def _unless_away(
        self, read: Callable[[int, date, Policy], LookUp], customer_id: int, today: date, policy: Policy
    ) -> LookUp:
        node = self._connection.node_of(self._keyspace.entry(customer_id))
        if not node.breaker.lets_through():
            return LookUp(None, bypass=BypassReason.BREAKER_OPEN)
        try:
            return read(customer_id, today, policy)
        except CacheAwayError as exc:
            return LookUp(None, bypass=exc.reason)
        except (AttributeError, TypeError, ValueError) as exc:  # a reply of a kind that no cache of ours gives
            return LookUp(None, bypass=node.away(exc).reason)

    def _look_up(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        lease = _new_lease()
        held = self._read(LOOK_UP, customer_id, lease)
        if isinstance(held, list):
            (held,) = held
            self._note_expiring(customer_id)
        # One's own lease comes back when the first try's reply was lost.
        if held is None or held == lease:
            return LookUp(None, lease=lease)
        if held.startswith((LEASE, MARKER)):
            return LookUp(None)
        profile = from_document(held, customer_id, today, policy, self._keyspace.mark)
        if profile is None and self._read(LEASE_IF_SAME, customer_id, held, lease):
            return LookUp(None, lease=lease)
        return LookUp(profile)

    def _peek(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        wait = Wait(total=self._patience.cache_peek, reply=self._patience.cache_peek)
        held = self._eval(wait, PEEK, customer_id)
        return LookUp(from_document(held or b"", customer_id, today, policy, self._keyspace.mark))

    @override
    def fill(self, lease: bytes, profile: CreditProfile) -> Fill:
        document = to_document(profile, self._keyspace.mark)
        try:
            stored = self._read(SET_IF_SAME, profile.customer_id, lease, document)
        except CacheAwayError:
            return Fill.FAILED
        return Fill.STORED if stored else Fill.TOO_LATE

    @override
    def begin_write(self, customer_id: int, marker: bytes) -> None:
        command = self._keyspace.script(SET_MARKER, customer_id, marker, self._patience.marker)
        self._connection.node_of(self._keyspace.entry(customer_id)).send_ahead(command)

    @override
    def confirm_write(self, customer_id: int, marker: bytes) -> bool:
        return self._write(SET_MARKER, customer_id, marker, self._patience.marker)

    @override
    def finish_write(self, customer_id: int, marker: bytes, *, wait: bool = True) -> bool:
        return self._write(DELETE_UNLESS_MARKED, customer_id, marker, wait=wait)

    @override
    def retract_write(self, customer_id: int, marker: bytes) -> None:
        self._write(DELETE_IF_SAME, customer_id, marker)

    def _read(self, script: str, customer_id: int, *arguments: Any) -> Any:
        return self._eval(Wait(self._seconds_left, self._patience.cache_reply), script, customer_id, *arguments)

    def _write(self, script: str, customer_id: int, *arguments: Any, wait: bool = True) -> bool:
        """Send a writer's command, whatever the breaker says and however little time is left; tell of its reply."""
        seconds = min(self._patience.cache_write, self._seconds_left) if wait else 0
        seconds = max(seconds, self._patience.cache_send)
        try:
            self._eval(Wait(seconds, seconds, resumes=True), script, customer_id, *arguments)
        except CacheAwayError:
            return False
        return True

    def _eval(self, wait: Wait, script: str, customer_id: int, *arguments: Any) -> Any:
        command = self._keyspace.script(script, customer_id, *arguments)
        self._connection.prepare()
        started_at = time.monotonic()
        try:
            return self._connection.ask(*command, wait=wait)
        finally:
            self._seconds_left -= time.monotonic() - started_at

    def _note_expiring(self, customer_id: int) -> None:
        expiring = self._keyspace.expiring
        if not self._connection.node_of(expiring).breaker.lets_through():  # it may lie on another node
            return
        wait = Wait(self._seconds_left, self._patience.cache_reply)
        with suppress(CacheAwayError):  # it is a hit all the same
            self._connection.ask("SADD", expiring, customer_id, wait=wait)


def _new_lease() -> bytes:
    # From the system, per request: environments restored from one snapshot share every other source.
    return LEASE + os.urandom(12).hex().encode()
