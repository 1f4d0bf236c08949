"""A Redis Cluster in memory, one step at a time: the slot of one customer moves, its master dies, a replica follows.

"a" has the slot in the beginning, "b" takes it over, and "c" is the replica of whichever dies. A Redis on one node is
"a" alone. `test_doubles.py` holds the replies against a real cluster.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from redis.exceptions import AskError, MovedError

from lending.adapters.redis_cluster import ASK_FOR_SLOTS, ASKING, SLOTS, RedisCluster, slot_of
from lending.adapters.redis_connection import Command, RedisConnection, Wait
from lending.adapters.redis_scores import LEASE
from lending.config import Settings
from lending.ports import BypassReason, CacheAwayError
from testkit.fakes import KEYSPACE
from tests.protocol.doubles import PATIENCE, Fate, Pace, RedisDouble

PORT = 6379
NODES = ("a", "b", "c")
NOWHERE = {"DB_HOST": "unused", "DB_NAME": "unused", "DB_USER": "unused", "REDIS_DB": "0"}
SETTINGS = {name: replace(Settings.from_env(NOWHERE), redis_host=name) for name in NODES}
WITHOUT_SLOT = (("SPOP", KEYSPACE.expiring),)
"""Commands about the one other key, which lies anywhere."""


class NodeDouble(RedisDouble):
    """A node: what it holds, and what it thinks of the slot."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.master = "a"
        """Who has the slot, as far as this node knows."""
        self.leads_to = ""
        """Where the slot is on its way to."""
        self.takes_over = False
        """Whether the slot is on its way here."""
        self.lives = True

    def contents(self, known_words: Callable[[Any], Hashable], writes: int) -> Hashable:
        """Return all that anybody could learn of it, with so many of the latest writes."""
        return self.master, self.leads_to, self.takes_over, self.lives, super().contents(known_words, writes)


class ClusterDouble:
    """The nodes, and how far the slot has moved."""

    def __init__(self, key: str, *, moves: bool = False) -> None:
        self.nodes = {name: NodeDouble(name) for name in NODES}
        self._key, self.slot = key, slot_of(key)
        self._to_do = ["migrate", "move", "take over", "let go"] if moves else []
        self._known_leases: dict[bytes, str] = {}

    @property
    def master(self) -> NodeDouble:
        """The node that has the slot."""
        b = self.nodes["b"]
        return b if b.master == "b" else self.nodes[b.master]

    @property
    def value(self) -> bytes:
        """What lies under the key."""
        return self.master.values.get(self._key, b"")

    @property
    def gate(self) -> str:
        """A node that lives, as the name leads to that every client begins with."""
        return next(node.name for node in self.nodes.values() if node.lives)

    @property
    def is_on_the_way(self) -> bool:
        """Whether the key is about to be moved."""
        return bool(self._to_do) and self._to_do[0] == "move" and self._key in self.master.values

    def moves(self) -> Iterator[Callable[[], None]]:
        """Return what comes next of a slot that moves; while its source is dead, nothing."""
        if self._to_do and self.master.lives:
            yield self._move_on

    def _move_on(self) -> None:
        step = self._to_do.pop(0)
        source, target = self.master, self.nodes["b"]
        if step == "migrate":
            target.takes_over, source.leads_to = True, "b"
        elif step == "move":
            self.copy()
            source.put(self._key, None)
        elif step == "take over":
            target.master, target.takes_over = "b", False
        else:
            for node in self.nodes.values():
                node.master, node.leads_to = "b", ""

    def copy(self) -> None:
        """Bring the key to the target, as a MIGRATE does that is cut off before it deletes the key here."""
        value = self.value
        if value:
            self.nodes["b"].put(self._key, value)

    def kill(self) -> None:
        """Kill the slot's master."""
        self.master.lives = False

    def promotions(self, forgotten: int) -> Iterator[Callable[[], None]]:
        """Return the ways in which a replica can follow a dead master: without as many of the latest writes."""
        if not self.master.lives:
            for writes in range(forgotten + 1):
                yield partial(self._promote, writes)

    def _promote(self, forgotten: int) -> None:
        dead, replica = self.master, self.nodes["c"]
        if forgotten:
            dead.forget(forgotten)
        replica.values = dead.values
        for node in self.nodes.values():
            node.master = "c"
            node.leads_to = ""
        # No replica knows that the slot was on its way. Whoever moves it begins again.
        if self._to_do[:1] in (["move"], ["take over"]):
            self._to_do = ["migrate", "move", "take over", "let go"]
        elif self._to_do[:1] == ["let go"]:
            self._to_do = []

    def exchange(self, place: str, commands: Sequence[Command]) -> list[Any] | None:
        """Return a node's replies; none when it is dead."""
        node = self.nodes[place]
        if not node.lives:
            return None
        replies: list[Any] = []
        asking = False
        for command in commands:
            if command == ASK_FOR_SLOTS:
                replies.append(self._map(node))
            elif command == ASKING:
                replies.append(b"OK")
            elif command[:2] in WITHOUT_SLOT:
                replies.append(self.master.execute(command))
            else:
                replies.append(self._elsewhere(node, asking=asking) or node.execute(command))
            asking = command == ASKING
        return replies

    def _elsewhere(self, node: NodeDouble, *, asking: bool) -> AskError | None:
        if node.master == node.name:
            if node.leads_to and self._key not in node.values:
                return AskError(f"{self.slot} {node.leads_to}:{PORT}")
            return None
        if asking and node.takes_over:
            return None
        return MovedError(f"{self.slot} {node.master}:{PORT}")

    def _map(self, node: NodeDouble) -> list[Any]:
        """Return the map in a node's eyes: each has some slots, so that no client leaves it."""
        slot = self.slot
        owners = ((0, slot - 1, self.gate), (slot, slot, node.master), (slot + 1, SLOTS - 1, "b"))
        return [[first, last, [owner.encode(), PORT]] for first, last, owner in owners]

    def know(self, command: Sequence[Any], sender: str) -> None:
        """Give each lease that a command brings a name of its own that is the same in every run."""
        for argument in command:
            if isinstance(argument, bytes) and argument.startswith(LEASE):
                of_sender = len([name for name in self._known_leases.values() if name.startswith(f"{sender} ")])
                self._known_leases.setdefault(argument, f"{sender} {of_sender}")

    def in_known_words(self, reply: Any) -> Hashable:
        """Return a reply, or a value, in words that are the same in every run."""
        if isinstance(reply, list | tuple):
            return tuple(self.in_known_words(part) for part in reply)
        if isinstance(reply, AskError):
            return type(reply), reply.host
        if isinstance(reply, CacheAwayError):
            return "nothing"
        known: Hashable = self._known_leases.get(reply, reply)
        return known

    def contents(self, writes: int) -> Hashable:
        """Return all that anybody could learn of it, with so many of the latest writes."""
        nodes = tuple(node.contents(self.in_known_words, writes) for node in self.nodes.values())
        return len(self._to_do), nodes


class Sent:
    """Commands on their way to a node."""

    def __init__(self, redis: ClusterDouble, place: str, commands: Sequence[Command]) -> None:
        self.place, self.commands = place, commands
        self.has_arrived = False
        self._redis = redis
        self._replies: list[Any] | None = None

    def arrive(self) -> list[Any] | None:
        """Return the node's replies, once they are there; none when it is dead."""
        if not self.has_arrived:
            self.has_arrived, self._replies = True, self._redis.exchange(self.place, self.commands)
        return self._replies

    def contents(self) -> Hashable:
        """Return all that anybody could learn of it."""
        return self.place, *(self._redis.in_known_words(each) for each in (self.commands, self._replies or ()))


class SteppedConnection(RedisCluster):
    """RedisCluster of one actor: a step before each exchange with a node, and perhaps one that goes wrong."""

    def __init__(self, redis: ClusterDouble, pace: Pace, name: str = "", gate: str = "a") -> None:
        super().__init__(SETTINGS[gate], None, PATIENCE)
        self._redis = redis
        self._pace = pace
        self._name = name
        self.delayed: list[Sent] = []
        """Commands that the client has given up on and that have not arrived yet."""
        self.ahead: Sent | None = None
        """A command that the client will yet ask for."""
        self._on_the_way: list[Hashable] = []
        """What nodes have replied to the commands that are under way."""

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def try_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        replies: list[Any] = ["nothing"]
        try:
            replies = super().try_all(commands, wait=wait)
        finally:
            # By which ways they came matters no more, but for what contents() tells.
            self._on_the_way.clear()
            self._pace.saw(self._redis.in_known_words(replies))
        return replies

    def contents(self) -> Hashable:
        """Return what it knows of the nodes, and what is under way."""
        owner = self._owners[self._redis.slot].host if self._owners else ""
        failures = tuple(sorted((name, node.breaker.failures) for (name, _), node in self._nodes.items()))
        return owner, self._map_is_old, failures, tuple(self._on_the_way), self.under_way()

    def under_way(self) -> Hashable:
        """Return what has been sent and nobody has heard of yet."""
        return tuple(sent.contents() for sent in self.delayed), self.ahead and self.ahead.contents()

    def arrivals(self) -> Iterator[Callable[[], object]]:
        """Return what could arrive next of what is under way."""
        if self.delayed:
            yield lambda: self.delayed.pop().arrive()
        if self.ahead is not None and not self.ahead.has_arrived:
            yield self.ahead.arrive

    def beside(self, host: str, port: int) -> RedisConnection:
        return SteppedNode(self, host)

    def exchange(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        return self.step(self, commands, wait)

    def send_ahead(self, command: Command) -> None:
        self.step_ahead(self, command)

    def step_ahead(self, node: RedisConnection, command: Command) -> None:
        """Send a command, which may arrive from now on."""
        if not node.breaker.failures and (self.ahead is None or self.ahead.has_arrived):
            self.ahead = Sent(self._redis, node.host, [command])

    def step(self, node: RedisConnection, commands: Sequence[Command], wait: Wait) -> list[Any]:
        """Exchange this with a node when it is the actor's turn."""
        fate = self._pace.wait("redis")
        for command in commands:
            self._redis.know(command, self._name)
        sent, self.ahead = self.ahead, None
        if sent is None or (sent.place, sent.commands) != (node.host, commands):
            if sent is not None:
                sent.arrive()  # in the order of sending
            sent = Sent(self._redis, node.host, commands)
        replies = None
        if fate is Fate.LATE and not sent.has_arrived:
            self.delayed.append(sent)
        elif fate not in {Fate.LATE, Fate.DROPPED}:
            replies = sent.arrive()
        # Who hardly waits is gone when the reply comes.
        if replies is None or fate is not Fate.DONE or wait.total <= PATIENCE.cache_send:
            self._on_the_way.append("nothing")
            node.breaker.failed()
            raise CacheAwayError(BypassReason.UNAVAILABLE)
        if node.breaker.failures:
            node.breaker.succeeded()
        self._on_the_way.append(self._redis.in_known_words(replies))
        return replies


class SteppedNode(RedisConnection):
    """The connection of an actor to another node."""

    def __init__(self, client: SteppedConnection, name: str) -> None:
        super().__init__(SETTINGS[name], None, PATIENCE)
        self._client = client

    def exchange(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        return self._client.step(self, commands, wait)

    def send_ahead(self, command: Command) -> None:
        self._client.step_ahead(self, command)
