"""Moves slots of a Redis Cluster from one node to another while it is in use, as a reshard does."""

from contextlib import ExitStack, suppress
from typing import Any, Self

import redis

from local.servers.redis_cluster import Cluster
from local.servers.server import Server

KEYS_AT_ONCE = 100
TIMEOUT_MILLISECONDS = 5000


class Resharding:
    """Knows the masters of a cluster; use it in a `with` block."""

    def __init__(self, cluster: Cluster) -> None:
        self._open = ExitStack()
        self._clients = {
            node.port: self._open.enter_context(redis.Redis(host=node.host, port=node.port)) for node in cluster.nodes
        }
        self._cluster = cluster

    def owner_of(self, slot: int) -> Server:
        """Return the master that has a slot."""
        for client in self._clients.values():
            try:
                ranges = client.execute_command("CLUSTER", "SLOTS")
            except redis.ConnectionError:
                continue
            port = next(master[1] for first, last, master, *_ in ranges if first <= slot <= last)
            return next(node for node in self._cluster.nodes if node.port == port)
        raise redis.ConnectionError("no node is left")

    def begin(self, slot: int, target: Server) -> None:
        """Declare the slot to be on its way: its new keys are made at the target."""
        source = self.owner_of(slot)
        self._ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self._ask(source, "CLUSTER", "MYID"))
        self._ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self._ask(target, "CLUSTER", "MYID"))

    def end(self, slot: int, target: Server) -> None:
        """Move the slot's keys, and hand it over."""
        source = self.owner_of(slot)
        while keys := self._ask(source, "CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE):
            place = (target.host, target.port, "", 0, TIMEOUT_MILLISECONDS)
            self._ask(source, "MIGRATE", *place, "REPLACE", "KEYS", *keys)
        owner = self._ask(target, "CLUSTER", "MYID")
        others = [node for node in self._cluster.nodes if node not in {target, source}]
        for node in (target, source, *others):
            with suppress(redis.ResponseError):  # a replica does as its master
                self._ask(node, "CLUSTER", "SETSLOT", slot, "NODE", owner)

    def move(self, slot: int, target: Server) -> None:
        """Move a slot from end to end."""
        self.begin(slot, target)
        self.end(slot, target)

    def _ask(self, node: Server, *command: Any) -> Any:
        return self._clients[node.port].execute_command(*command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
