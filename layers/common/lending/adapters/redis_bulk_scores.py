"""The score cache in bulk: what the refresh does to many entries in one round trip."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from typing_extensions import override

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_connection import Command, RedisConnection, Wait
from lending.adapters.redis_scripts import DELETE_IF_SAME, DELETE_UNLESS_MARKED, SET_IF_SAME
from lending.adapters.score_document import from_document, is_document, to_document
from lending.domain.policy import Policy
from lending.patience import Patience
from lending.ports import BulkScoreCache, CacheAwayError, CachedProfile, Invalidation, Renewal

MAX_DIGITS = 10
KEYS_OF_ANY_CLUSTER = 16
"""So many keys lie on one node out of two or more by a chance of 2^-15 at the most."""


class RedisBulkScoreCache(BulkScoreCache):
    """BulkScoreCache on one connection."""

    def __init__(self, connection: RedisConnection, keyspace: Keyspace, patience: Patience) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._wait = Wait(total=patience.cache_refresh, reply=patience.cache_refresh)

    @override
    def finish_writes(self, invalidations: Sequence[Invalidation]) -> set[int]:
        script = self._keyspace.script
        done = self._ask_all([script(DELETE_UNLESS_MARKED, i.customer_id, *i.markers) for i in invalidations])
        return {i.customer_id for i, reply in zip(invalidations, done, strict=True) if reply is None}

    @override
    def pop_expiring(self, limit: int) -> list[int]:
        return _integers(self._ask_all([("SPOP", self._keyspace.expiring, limit)])[0])

    @override
    def entries(self, customer_ids: Sequence[int], today: date, policy: Policy) -> list[CachedProfile]:
        texts = self._texts(customer_ids)
        profiles = [
            from_document(text or b"", customer_id, today, policy, self._keyspace.mark)
            for text, customer_id in zip(texts, customer_ids, strict=True)
        ]
        return [CachedProfile(profile, t) for profile, t in zip(profiles, texts, strict=True) if profile is not None]

    @override
    def sample(self, limit: int, today: date, policy: Policy) -> list[CachedProfile]:
        # About no key, each node knows its own alone: by these, a cluster tells that it is one.
        self._ask_all([("GET", self._keyspace.entry(customer_id)) for customer_id in range(KEYS_OF_ANY_CLUSTER)])
        prefix = self._keyspace.entries.encode()
        keys = set(self._ask_all([("RANDOMKEY",)] * limit))
        suffixes = [key.removeprefix(prefix) for key in keys if key is not None and key.startswith(prefix)]
        return self.entries(_integers(suffixes), today, policy)

    @override
    def unready(self, place: int, limit: int, day: date, policy: Policy) -> tuple[int, dict[int, bytes]]:
        prefix, mark = self._keyspace.entries.encode(), self._keyspace.mark
        nodes = self._connection.nodes()
        cursor, number = divmod(place, len(nodes))  # each node has its own keys: one after the other
        try:
            scan = ("SCAN", cursor, "MATCH", prefix + b"*", "COUNT", limit)
            ((following, keys),) = nodes[number].exchange([scan], wait=self._wait)
        except CacheAwayError:
            if len(nodes) == 1:
                raise
            following, keys = 0, []
        place = int(following) * len(nodes) + number if int(following) else (number + 1) % len(nodes)
        customer_ids = _integers([key.removeprefix(prefix) for key in keys])
        texts = self._texts(customer_ids)
        return place, {
            customer_id: text
            for customer_id, text in zip(customer_ids, texts, strict=True)
            if text is not None
            and is_document(text, mark)
            and from_document(text, customer_id, day, policy, mark) is None
        }

    @override
    def replace(self, renewals: Sequence[Renewal]) -> int:
        # What was seen serves as the lease: whatever came since, a writer above all, has replaced it.
        script, mark = self._keyspace.script, self._keyspace.mark
        commands = [
            script(SET_IF_SAME, new.customer_id, seen, to_document(new, mark, following))
            for seen, new, following in renewals
        ]
        return len([done for done in self._ask_all(commands) if done])

    @override
    def discard(self, entries: Sequence[CachedProfile]) -> list[CachedProfile]:
        script = self._keyspace.script
        dropped = self._ask_all([script(DELETE_IF_SAME, e.profile.customer_id, e.text) for e in entries])
        return [entry for entry, done in zip(entries, dropped, strict=True) if done]

    def _texts(self, customer_ids: Sequence[int]) -> list[Any]:
        return self._ask_all([("GET", self._keyspace.entry(customer_id)) for customer_id in customer_ids])

    def _ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies, None for those of a node that is away while another one replies."""
        replies = self._connection.try_all(commands, wait=self._wait) if commands else []
        failures = [reply for reply in replies if isinstance(reply, CacheAwayError)]
        if failures and len(failures) == len(replies):
            raise failures[0]
        return [None if isinstance(reply, CacheAwayError) else reply for reply in replies]


def _integers(texts: Iterable[bytes]) -> list[int]:
    """Return the numbers among texts that anybody may have put there."""
    return [int(text) for text in texts if text.isdigit() and len(text) <= MAX_DIGITS]
