"""The protocol that everybody writes first: set after a miss, delete after the commit. For comparison."""

from datetime import date
from typing import Any, Protocol

from lending.adapters.redis_scores import TTL_SECONDS, key_of
from lending.adapters.score_document import from_document, to_document
from lending.domain.scoring import CreditProfile
from lending.ports import BypassReason, CacheAwayError, LookUp


class Connection(Protocol):
    """What the naive cache needs of a connection to Redis."""

    def ask(self, *command: Any) -> Any:
        """Return the reply to one command; raise CacheAwayError when there is none."""


class NaiveScoreCache:
    """ScoreCache without leases or markers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def look_up(self, customer_id: int, today: date) -> LookUp:
        answer = self.peek(customer_id, today)
        return answer if answer.profile or answer.bypass else LookUp(None, lease=b"anybody")

    def peek(self, customer_id: int, today: date) -> LookUp:
        try:
            return LookUp(from_document(self._connection.ask("GET", key_of(customer_id)) or b"", customer_id, today))
        except CacheAwayError:
            return LookUp(None, bypass=BypassReason.UNAVAILABLE)

    def fill(self, lease: bytes, profile: CreditProfile) -> bool:
        return self._tell("SET", key_of(profile.customer_id), to_document(profile), "EX", TTL_SECONDS)

    def begin_write(self, customer_id: int, again: bytes | None = None) -> bytes:
        return b""

    def finish_write(self, customer_id: int, token: bytes) -> bool:
        return self._tell("DEL", key_of(customer_id))

    def retract_write(self, customer_id: int, token: bytes) -> None:
        pass

    def _tell(self, *command: Any) -> bool:
        try:
            return bool(self._connection.ask(*command))
        except CacheAwayError:
            return False
