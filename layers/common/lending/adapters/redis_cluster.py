"""The nodes of a Redis Cluster: a command goes where its key's slot lies, and follows it where it has moved.

A single node never says MOVED, nor does ElastiCache Serverless: then all this is one connection, and costs no more.
"""

import time
from binascii import crc_hqx
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import lending.adapters.redis_package  # noqa: F401 - before redis, whose initialiser it leaves out

# isort: split
from redis.exceptions import AskError, MovedError
from typing_extensions import override

from lending.adapters.logins import LoginSource
from lending.adapters.redis_connection import Command, RedisConnection, Wait
from lending.config import Settings
from lending.patience import Patience
from lending.ports import BypassReason, CacheAwayError

SLOTS = 16_384
REDIRECTIONS = 4
"""That a command follows: to the node that has its slot by now, to another that takes the slot over, and once again."""
ASKING: Command = ("ASKING",)
ASK_FOR_SLOTS: Command = ("CLUSTER", "SLOTS")
NO_HOST = ("", "?")
"""What a node says for a host when it means its own."""


class _Errand(NamedTuple):
    """A command on its way."""

    number: int
    """Among the commands."""
    node: RedisConnection
    asking: bool = False
    """Whether the node has to be told that the slot is still on its way there."""
    spent: float = 0
    """Seconds that the command's nodes have taken."""


class RedisCluster(RedisConnection):
    """The connection to REDIS_HOST and, once that has said MOVED, one to each node, with a breaker of its own.

    The map of all slots is asked for together with the first command that was moved, in one write. A node that failed
    is asked only after another one has said again that the slot is there: so a promoted replica is found, and one dead
    shard keeps nobody from the others.
    """

    def __init__(self, settings: Settings, login: LoginSource | None, patience: Patience) -> None:
        super().__init__(settings, login, patience)
        self._nodes: dict[tuple[str, int], RedisConnection] = {(self.host, self.port): self}
        self._owners: list[RedisConnection] = []
        """The node of each slot; none until a node has said MOVED."""
        self._map_is_old = False

    @override
    def node_of(self, key: str) -> RedisConnection:
        return self._owners[slot_of(key)] if self._owners else self

    @override
    def nodes(self) -> list[RedisConnection]:
        return list(dict.fromkeys(self._owners)) or [self]

    @override
    def ask_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        replies = self.try_all(commands, wait=wait)
        for reply in replies:
            if isinstance(reply, CacheAwayError):
                raise reply
        return replies

    @override
    def try_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        if self._owners:
            errands = [_Errand(number, self._first_node(number, command)) for number, command in enumerate(commands)]
            replies: list[Any] = [None] * len(commands)
        else:
            started_at = time.monotonic()
            replies = self.exchange(commands, wait=wait)
            moved = [number for number, reply in enumerate(replies) if isinstance(reply, AskError)]
            if not moved:
                return replies
            spent = time.monotonic() - started_at
            errands = [self._redirected(_Errand(number, self), replies[number], spent) for number in moved]
        for _ in range(1 + REDIRECTIONS):
            redirected: list[_Errand] = []
            for node in dict.fromkeys(errand.node for errand in errands):
                there = [errand for errand in errands if errand.node is node]
                try:
                    redirected += self._carry_out(node, there, commands, replies, wait)
                except CacheAwayError as exc:
                    for errand in there:
                        replies[errand.number] = exc
            if not redirected:
                return replies
            errands = redirected
        for errand in errands:
            replies[errand.number] = errand.node.away(replies[errand.number])
        return replies

    @override
    def close(self) -> None:
        super().close()
        for node in self._nodes.values():
            if node is not self:
                node.close()

    def _first_node(self, number: int, command: Command) -> RedisConnection:
        if len(command) == 1:  # about no key: each node in turn
            nodes = self.nodes()
            return nodes[number % len(nodes)]
        owner = self._owners[slot_of(str(command[3 if command[0] == "EVAL" else 1]))]
        if not owner.breaker.failures:
            return owner
        another = next((node for node in self._nodes.values() if not node.breaker.failures), owner)
        self._map_is_old = True
        return another

    def _carry_out(
        self,
        node: RedisConnection,
        errands: Sequence[_Errand],
        commands: Sequence[Command],
        replies: list[Any],
        wait: Wait,
    ) -> Iterator[_Errand]:
        """Note a node's replies, and yield where it sends its errands instead."""
        sent: list[Command] = []
        for errand in errands:
            sent += [ASKING, commands[errand.number]] if errand.asking else [commands[errand.number]]
        wants_map = self._map_is_old
        started_at = time.monotonic()
        # Time that other nodes have taken is not this one's. A writer's command is sent, however little is left.
        left = max(
            wait.total - max(errand.spent for errand in errands), self._patience.cache_send if wait.resumes else 0
        )
        if left <= 0:
            raise CacheAwayError(BypassReason.UNAVAILABLE)  # which is not this node's failure
        told = node.exchange([*sent, ASK_FOR_SLOTS] if wants_map else sent, wait=wait._replace(total=left))
        spent = time.monotonic() - started_at
        if wants_map:
            self._learn(node, told.pop())
        answers = [reply for reply, command in zip(told, sent, strict=True) if command is not ASKING]
        for errand, reply in zip(errands, answers, strict=True):
            replies[errand.number] = reply
            if isinstance(reply, AskError):
                yield self._redirected(errand, reply, errand.spent + spent)

    def _redirected(self, errand: _Errand, reply: AskError, spent: float) -> _Errand:
        node = self._node(reply.host, reply.port, errand.node)
        moved = isinstance(reply, MovedError)
        if moved:
            self._owners = self._owners or [self] * SLOTS
            if self._owners[reply.slot_id % SLOTS] is not node:
                self._owners[reply.slot_id % SLOTS] = node
                self._map_is_old = True
        return _Errand(errand.number, node, asking=not moved, spent=spent)

    def _learn(self, told_by: RedisConnection, ranges: Any) -> None:
        """Take over the map of all slots, and leave the nodes that have none any more."""
        owners = list(self._owners)
        try:
            for first, last, (host, port, *_), *_replicas in ranges:
                node = self._node((host or b"").decode(), port, told_by)
                owners[first : last + 1] = [node] * (last + 1 - first)
        except (AttributeError, TypeError, ValueError) as exc:  # no map
            raise told_by.away(exc) from exc
        self._owners, self._map_is_old = owners, False
        in_use = {self, *owners}
        for place, node in list(self._nodes.items()):
            if node not in in_use:
                node.close()
                del self._nodes[place]

    def _node(self, host: str, port: int, told_by: RedisConnection) -> RedisConnection:
        place = (told_by.host if host in NO_HOST else host, port)
        if place not in self._nodes:
            self._nodes[place] = self.beside(*place)
        return self._nodes[place]


def slot_of(key: str) -> int:
    """Return the slot of a key; of the part in braces, if it has one."""
    _, opened, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return crc_hqx((tag if opened and closed and tag else key).encode(), 0) % SLOTS
