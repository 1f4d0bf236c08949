"""The score cache in bulk: what the refresh does to many entries in one round trip."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from typing_extensions import override

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_connection import Command, RedisConnection, Wait
from lending.adapters.redis_scores import TTL_SECONDS
from lending.adapters.redis_scripts import DELETE_IF_SAME, DELETE_UNLESS_MARKED, SET_IF_SAME
from lending.adapters.score_document import from_document, to_document
from lending.domain.scoring import CreditProfile
from lending.patience import Patience
from lending.ports import BulkScoreCache, CachedProfile, Invalidation

MAX_DIGITS = 10


class RedisBulkScoreCache(BulkScoreCache):
    """BulkScoreCache on one connection."""

    def __init__(self, connection: RedisConnection, keyspace: Keyspace, patience: Patience) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._wait = Wait(total=patience.cache_refresh, reply=patience.cache_refresh)

    @override
    def finish_writes(self, invalidations: Sequence[Invalidation]) -> None:
        script = self._keyspace.script
        self._ask_all([script(DELETE_UNLESS_MARKED, i.customer_id, *i.markers) for i in invalidations])

    @override
    def pop_expiring(self, limit: int) -> list[int]:
        return _integers(self._ask_all([("SPOP", self._keyspace.expiring, limit)])[0])

    @override
    def entries(self, customer_ids: Sequence[int], today: date) -> list[CachedProfile]:
        texts = self._ask_all([("GET", self._keyspace.entry(customer_id)) for customer_id in customer_ids])
        profiles = [
            from_document(text or b"", customer_id, today, self._keyspace.mark)
            for text, customer_id in zip(texts, customer_ids, strict=True)
        ]
        return [CachedProfile(profile, t) for profile, t in zip(profiles, texts, strict=True) if profile is not None]

    @override
    def sample(self, limit: int, today: date) -> list[CachedProfile]:
        prefix = self._keyspace.entries.encode()
        keys = set(self._ask_all([("RANDOMKEY",)] * limit))
        suffixes = [key.removeprefix(prefix) for key in keys if key is not None and key.startswith(prefix)]
        return self.entries(_integers(suffixes), today)

    @override
    def replace(self, renewals: Sequence[tuple[CachedProfile, CreditProfile]]) -> int:
        # What was seen serves as the lease: whatever came since, a writer above all, has replaced it.
        script, mark = self._keyspace.script, self._keyspace.mark
        commands = [
            script(SET_IF_SAME, new.customer_id, seen.text, to_document(new, mark), TTL_SECONDS)
            for seen, new in renewals
        ]
        return len([done for done in self._ask_all(commands) if done])

    @override
    def discard(self, entries: Sequence[CachedProfile]) -> list[CachedProfile]:
        script = self._keyspace.script
        dropped = self._ask_all([script(DELETE_IF_SAME, e.profile.customer_id, e.text) for e in entries])
        return [entry for entry, done in zip(entries, dropped, strict=True) if done]

    def _ask_all(self, commands: Sequence[Command]) -> list[Any]:
        return self._connection.ask_all(commands, wait=self._wait) if commands else []


def _integers(texts: Iterable[bytes]) -> list[int]:
    """Return the numbers among texts that anybody may have put there."""
    return [int(text) for text in texts if text.isdigit() and len(text) <= MAX_DIGITS]
