"""The usual first protocol, for comparison: set after a miss, delete after the commit."""

from datetime import date
from typing import Any

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_connection import RedisConnection, Wait
from lending.adapters.redis_scripts import TTL_SECONDS
from lending.adapters.score_document import from_document, to_document
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile
from lending.patience import Patience
from lending.ports import BypassReason, CacheAwayError, Fill, LookUp, ScoreCache


class NaiveScoreCache(ScoreCache):
    """ScoreCache without leases or markers."""

    def __init__(self, connection: RedisConnection, keyspace: Keyspace, patience: Patience) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._wait = Wait(total=patience.cache_total, reply=patience.cache_reply)

    def look_up(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        found = self.peek(customer_id, today, policy)
        return found if found.profile or found.bypass else LookUp(None, lease=b"anybody")

    def peek(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        try:
            held = self._connection.ask("GET", self._keyspace.entry(customer_id), wait=self._wait)
        except CacheAwayError:
            return LookUp(None, bypass=BypassReason.UNAVAILABLE)
        return LookUp(from_document(held or b"", customer_id, today, policy, self._keyspace.mark))

    def fill(self, lease: bytes, profile: CreditProfile) -> Fill:
        document = to_document(profile, self._keyspace.mark)
        stored = self._tell("SET", self._keyspace.entry(profile.customer_id), document, "EX", TTL_SECONDS)
        return Fill.STORED if stored else Fill.FAILED

    def begin_write(self, customer_id: int, marker: bytes) -> None:
        pass

    def confirm_write(self, customer_id: int, marker: bytes) -> bool:
        return False

    def finish_write(self, customer_id: int, marker: bytes, *, wait: bool = True) -> bool:
        return self._tell("DEL", self._keyspace.entry(customer_id))

    def retract_write(self, customer_id: int, marker: bytes) -> None:
        pass

    def _tell(self, *command: Any) -> bool:
        try:
            self._connection.ask(*command, wait=self._wait)
        except CacheAwayError:
            return False
        return True
