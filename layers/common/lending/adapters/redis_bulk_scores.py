"""The score cache in bulk: what the refresh does to many entries in one round trip."""

from collections.abc import Iterable, Sequence
from datetime import date

from typing_extensions import override

from lending.adapters.redis_connection import RedisConnection
from lending.adapters.redis_scores import (
    DELETE_IF_SAME,
    DELETE_UNLESS_MARKED,
    EXPIRING,
    KEY_PREFIX,
    SET_IF_SAME,
    TTL_SECONDS,
    key_of,
)
from lending.adapters.score_document import from_document, to_document
from lending.domain.scoring import CreditProfile
from lending.ports import BulkScoreCache, CachedProfile, Invalidation

PREFIX = KEY_PREFIX.encode()
MAX_DIGITS = 10


class RedisBulkScoreCache(BulkScoreCache):
    """BulkScoreCache on one connection."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    @override
    def finish_writes(self, invalidations: Sequence[Invalidation]) -> None:
        self._connection.ask_all(
            [("EVAL", DELETE_UNLESS_MARKED, 1, key_of(i.customer_id), i.marker) for i in invalidations]
        )

    @override
    def pop_expiring(self, limit: int) -> list[int]:
        return _integers(self._connection.ask("SPOP", EXPIRING, limit))

    @override
    def entries(self, customer_ids: Sequence[int], today: date) -> list[CachedProfile]:
        texts = self._connection.ask_all([("GET", key_of(customer_id)) for customer_id in customer_ids])
        profiles = [from_document(t or b"", c, today) for t, c in zip(texts, customer_ids, strict=True)]
        return [CachedProfile(profile, t) for profile, t in zip(profiles, texts, strict=True) if profile is not None]

    @override
    def sample(self, limit: int, today: date) -> list[CachedProfile]:
        keys = set(self._connection.ask_all([("RANDOMKEY",)] * limit))
        suffixes = [key.removeprefix(PREFIX) for key in keys if key is not None and key.startswith(PREFIX)]
        return self.entries(_integers(suffixes), today)

    @override
    def replace(self, renewals: Sequence[tuple[CachedProfile, CreditProfile]]) -> int:
        # What was seen serves as the lease: whatever came since, a writer above all, has replaced it.
        commands = [
            ("EVAL", SET_IF_SAME, 1, key_of(new.customer_id), seen.text, to_document(new), TTL_SECONDS)
            for seen, new in renewals
        ]
        return len([done for done in self._connection.ask_all(commands) if done])

    @override
    def discard(self, entries: Sequence[CachedProfile]) -> list[CachedProfile]:
        commands = [("EVAL", DELETE_IF_SAME, 1, key_of(entry.profile.customer_id), entry.text) for entry in entries]
        dropped = self._connection.ask_all(commands)
        return [entry for entry, done in zip(entries, dropped, strict=True) if done]


def _integers(texts: Iterable[bytes]) -> list[int]:
    """Return the numbers among texts that anybody may have put there."""
    return [int(text) for text in texts if text.isdigit() and len(text) <= MAX_DIGITS]
