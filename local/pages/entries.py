"""Walks through the cache in small steps, and asks its nodes about their memory. It changes nothing, not even an age.

SCAN, PTTL and MEMORY USAGE leave alone when an entry was last used, by which Redis evicts. Only what is too short for a
document is read.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lending import wiring
from lending.adapters.redis_bulk_scores import KEYS_OF_ANY_CLUSTER
from lending.adapters.redis_connection import Command, RedisConnection, Wait
from lending.ports import CacheAwayError
from local.pages.stores import PATIENCE, why

STEP = 100
"""Keys that one command looks at: some tens of microseconds of the server's time."""
SECONDS_OF_A_LOOK = 0.02
"""After which a walk stops until the next look."""
SHORTEST_DOCUMENT = 250
"""In bytes of memory. Leases and markers take less than half."""
HOURS = 24

WAIT = Wait(PATIENCE.cache_refresh, PATIENCE.cache_refresh)


@dataclass
class Seen:
    """What lies in the cache."""

    kinds: Counter[str] = field(default_factory=Counter)
    hours: list[int] = field(default_factory=lambda: [0] * HOURS)
    """Documents by the full hours that they have left."""
    size: int = 0
    """Bytes of memory."""


@dataclass
class Node:
    """What a node says of itself."""

    place: str
    told: dict[str, str]
    obstacle: str = ""
    cpu_pct: float | None = None
    """Of one core, since the last look."""


def kind_of(text: bytes | None) -> str:
    """Return what a value is: a lease, a marker, a document or something else."""
    starts = {b"lease:": "leases", b"write:": "markers", b'{"v":': "documents"}
    return next((kind for start, kind in starts.items() if (text or b"").startswith(start)), "others")


class Walk:
    """A pass through all nodes, which goes on at each look; what the last whole pass saw stands meanwhile."""

    def __init__(self) -> None:
        self.last = Seen()
        self.seconds = 0.0
        """That the last pass took."""
        self._now = Seen()
        self._began_at = time.monotonic()
        self._left: list[RedisConnection] | None = None
        self._cursor = 0
        self._cpu: dict[str, tuple[float, float]] = {}

    def look(self) -> list[Node]:
        """Go on with the walk, and return what the nodes say.

        Raises:
            CacheAwayError: No node answers.
        """
        connection = wiring.refresh_connection()
        entry = wiring.keyspace().entry
        # About no key, each node knows its own alone: by these, a cluster tells that it is one, and who has what now.
        replies = connection.try_all([("PTTL", entry(number)) for number in range(KEYS_OF_ANY_CLUSTER)], wait=WAIT)
        if all(isinstance(reply, CacheAwayError) for reply in replies):
            raise replies[0]
        stop_at = time.monotonic() + SECONDS_OF_A_LOOK
        while not self._step(connection) and time.monotonic() < stop_at:
            pass
        return [self._node(node) for node in connection.nodes()]

    def _step(self, connection: RedisConnection) -> bool:
        """Look at some keys; return whether that was the end of a pass."""
        if self._left is None:
            self._left, self._now, self._began_at, self._cursor = [*connection.nodes()], Seen(), time.monotonic(), 0
        try:
            self._cursor = self._look_at_some(self._left[0])
        except CacheAwayError:
            self._cursor = 0  # without this node's entries; its panel says that it is away
        if self._cursor == 0:
            del self._left[0]
        if self._left:
            return False
        self._left, self.last, self.seconds = None, self._now, time.monotonic() - self._began_at
        return True

    def _look_at_some(self, node: RedisConnection) -> int:
        scan: Command = ("SCAN", self._cursor, "MATCH", f"{wiring.keyspace().entries}*", "COUNT", STEP)
        ((cursor, keys),) = node.exchange([scan], wait=WAIT)
        if not keys:
            return int(cursor)
        asked: list[Command] = [command for key in keys for command in (("PTTL", key), ("MEMORY", "USAGE", key))]
        replies = node.exchange(asked, wait=WAIT)
        small = []
        for key, left, size in zip(keys, replies[::2], replies[1::2], strict=True):
            if not isinstance(left, int) or not isinstance(size, int):
                continue  # gone meanwhile, or moved to another node
            self._now.size += size
            if size < SHORTEST_DOCUMENT:
                small.append(key)
            else:
                self._now.kinds["documents"] += 1
                self._now.hours[min(max(left, 0) // 3_600_000, HOURS - 1)] += 1
        texts = node.exchange([("GET", key) for key in small], wait=WAIT) if small else []
        self._now.kinds.update(kind_of(text) for text in texts if isinstance(text, bytes))
        return int(cursor)

    def _node(self, node: RedisConnection) -> Node:
        place = f"{node.host}:{node.port}"
        try:
            (text,) = node.exchange([("INFO",)], wait=WAIT)
        except CacheAwayError as exc:
            return Node(place, {}, why(exc))
        told = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        used = float(told.get("used_cpu_user", 0)) + float(told.get("used_cpu_sys", 0))
        at, (before, used_before) = time.monotonic(), self._cpu.get(place, (0.0, used))
        self._cpu[place] = (at, used)
        return Node(place, told, cpu_pct=100 * (used - used_before) / (at - before) if before else None)


def entry_of(customer_id: int) -> tuple[Any, int]:
    """Return what lies under a customer's key, and the milliseconds that it has left (-1: no end).

    Raises:
        CacheAwayError: No answer.
    """
    key = wiring.keyspace().entry(customer_id)
    text, left = wiring.refresh_connection().ask_all([("GET", key), ("PTTL", key)], wait=WAIT)
    return text, int(left)
