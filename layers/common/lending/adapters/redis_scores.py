"""The score cache in Redis: leases for readers, markers for writers, and never in the way.

Under `credit_score:{customer_id}` lies one of
    {...}          a profile, for a day
    lease:TOKEN    a reader has missed and is reading the database; only it may fill the entry, for five seconds
    write:TOKEN    a loan is being made; nobody fills the entry until its writer, or the time, removes the marker
Anything else is taken for a miss and replaced. A plain DEL is always a correct invalidation.
"""

import os
from datetime import date
from typing import Any

from typing_extensions import override

from lending.adapters.redis_connection import RedisConnection
from lending.adapters.score_document import MAX_LENGTH, from_document, to_document
from lending.domain.scoring import CreditProfile
from lending.patience import Patience
from lending.ports import BypassReason, CacheAwayError, LookUp, ScoreCache

TTL_SECONDS = 86_400
EXPIRING_MILLISECONDS = 3_600_000
"""An entry asked for in its last hour will be wanted again: it is renewed before it goes."""
LEASE_MILLISECONDS = 5_000
"""Longer than a reader's query can take; a reader that is slower loses the right to fill, not its answer."""

LEASE, MARKER = b"lease:", b"write:"

KEY_PREFIX = "credit_score:"
EXPIRING = "credit_scores:expiring"
"""The set of customers whose entry was hit in its last hour."""

# One round trip either returns what is there or takes the lease, in place of what is too long for a profile too.
LOOK_UP = """
local held = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
if held and held:sub(1, 1) == '{' and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('SADD', KEYS[2], ARGV[4])
end
if held and #held > tonumber(ARGV[5]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return false
end
return held
"""

# GETEX, not GET: a demoted primary would still answer that, with what it knew then.
PEEK = """
local held = redis.call('GETEX', KEYS[1])
return held and #held <= tonumber(ARGV[1]) and held
"""

# Take the lease in place of what is not a profile of ours: `ARGV[1]` is what was seen there, gone if it changed since.
LEASE_IF_SAME = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

# Fill only in place of one's own lease: whatever came since, a writer above all, has killed it.
SET_IF_SAME = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""

# Leave another writer's marker alone: that write is still under way.
DELETE_UNLESS_MARKED = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:sub(1, 6) == 'write:' and held ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# A rollback changed nothing: remove one's own marker, and nothing else.
DELETE_IF_SAME = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisScoreCache(ScoreCache):
    """ScoreCache on one connection, opened on first use and kept while warm."""

    def __init__(self, connection: RedisConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    @override
    def look_up(self, customer_id: int, today: date) -> LookUp:
        if not self._connection.breaker.lets_through():
            return LookUp(None, bypass=BypassReason.BREAKER_OPEN)
        key, lease = key_of(customer_id), _token(LEASE)
        try:
            held = self._connection.ask_for_value(
                "EVAL",
                LOOK_UP,
                2,
                key,
                EXPIRING,
                lease,
                LEASE_MILLISECONDS,
                EXPIRING_MILLISECONDS,
                customer_id,
                MAX_LENGTH,
            )
            # One's own lease comes back when the first try's reply was lost.
            if held is None or held == lease:
                return LookUp(None, lease=lease)
            if held.startswith((LEASE, MARKER)):
                return LookUp(None)
            profile = from_document(held, customer_id, today)
            if profile is None and self._connection.ask("EVAL", LEASE_IF_SAME, 1, key, held, lease, LEASE_MILLISECONDS):
                return LookUp(None, lease=lease)
            return LookUp(profile)
        except CacheAwayError as exc:
            return LookUp(None, bypass=exc.reason)

    @override
    def peek(self, customer_id: int, today: date) -> LookUp:
        if not self._connection.breaker.lets_through():
            return LookUp(None, bypass=BypassReason.BREAKER_OPEN)
        try:
            held = self._connection.ask_for_value(
                "EVAL", PEEK, 1, key_of(customer_id), MAX_LENGTH, patience=self._patience.cache_peek
            )
            return LookUp(from_document(held or b"", customer_id, today))
        except CacheAwayError as exc:
            return LookUp(None, bypass=exc.reason)

    @override
    def fill(self, lease: bytes, profile: CreditProfile) -> bool:
        key = key_of(profile.customer_id)
        try:
            return bool(self._connection.ask("EVAL", SET_IF_SAME, 1, key, lease, to_document(profile), TTL_SECONDS))
        except CacheAwayError:
            return False

    @override
    def begin_write(self, customer_id: int, marker: bytes | None = None) -> bytes:
        # Tried whatever the breaker says, as all that a writer does.
        marker = marker or _token(MARKER)
        self._tell("SET", key_of(customer_id), marker, "EX", self._patience.marker)
        return marker

    @override
    def finish_write(self, customer_id: int, marker: bytes) -> bool:
        return self._tell("EVAL", DELETE_UNLESS_MARKED, 1, key_of(customer_id), marker)

    @override
    def retract_write(self, customer_id: int, marker: bytes) -> None:
        self._tell("EVAL", DELETE_IF_SAME, 1, key_of(customer_id), marker)

    def _tell(self, *command: Any) -> bool:
        """Run a command for its effect; return whether Redis answered it."""
        try:
            self._connection.ask(*command, patience=self._patience.cache_write)
        except CacheAwayError:
            return False
        return True


def key_of(customer_id: int) -> str:
    """Return the key under which a customer's profile lies."""
    return f"{KEY_PREFIX}{customer_id}"


def _token(kind: bytes) -> bytes:
    # From the system, per request: environments restored from one snapshot share every other source.
    return kind + os.urandom(12).hex().encode()
