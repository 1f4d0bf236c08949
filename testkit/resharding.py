"""Moves slots of a Redis Cluster from one node to another while it is in use, as a reshard does."""

import time
from contextlib import ExitStack, suppress
from typing import Any, Self

import redis

from local.servers.redis_cluster import Cluster
from local.servers.server import Server

KEYS_AT_ONCE = 100
TIMEOUT_MILLISECONDS = 5000
HANDOVER_SECONDS = 6
"""A replica gives its attempt up after five."""
ATTEMPTS = 5
AGREED_SECONDS = 30


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

    def wait_until_agreed(self, slot: int) -> Server:
        """Return a slot's master once every node names the same one and knows of the same changes.

        Who takes a slot before it has heard of another node's taking one may claim it by the same epoch: then both
        have it, until one of them has lost it again with its keys.
        """
        deadline = time.monotonic() + AGREED_SECONDS
        while time.monotonic() < deadline:
            with suppress(redis.ConnectionError):
                named = {self._named_by(node, slot) for node in self._cluster.nodes}
                epochs = {self._epoch_of(node) for node in self._cluster.nodes}
                if len(named) == len(epochs) == 1 and 0 not in named:
                    return next(node for node in self._cluster.nodes if node.port in named)
            time.sleep(0.01)
        raise TimeoutError(f"The nodes do not agree on slot {slot}.")

    def hand_over(self, slot: int) -> Server:
        """Let the replica of a slot's master take over in good order, and return it once every node says so.

        It needs the votes of the other masters, who refuse it where their news is older or newer than its own: then it
        tries again.
        """
        owner = self.owner_of(slot)
        replica = self.replica_of(owner)
        for _ in range(ATTEMPTS):
            self._cluster.wait_until_settled()
            with suppress(redis.ResponseError):  # it is the master by now
                self._ask(replica, "CLUSTER", "FAILOVER")
            deadline = time.monotonic() + HANDOVER_SECONDS
            while time.monotonic() < deadline:
                if all(self._named_by(node, slot) == replica.port for node in self._cluster.nodes):
                    return replica
                time.sleep(0.02)
        raise TimeoutError(f"The replica of slot {slot} does not take over.")

    def replica_of(self, master: Server) -> Server:
        """Return the replica of a master."""
        roles = ((node, self._ask(node, "ROLE")) for node in self._cluster.nodes)
        return next(node for node, role in roles if role[0] == b"slave" and int(role[2]) == master.port)

    def _named_by(self, node: Server, slot: int) -> int:
        """Return the port of the slot's master in the eyes of one node."""
        ranges = self._ask(node, "CLUSTER", "SLOTS")
        return next((int(master[1]) for first, last, master, *_ in ranges if first <= slot <= last), 0)

    def _epoch_of(self, node: Server) -> int:
        """Return the epoch of the latest change that a node has heard of."""
        told = dict(line.split(":") for line in self._ask(node, "CLUSTER", "INFO").decode().split())
        return int(told["cluster_current_epoch"])

    def _ask(self, node: Server, *command: Any) -> Any:
        return self._clients[node.port].execute_command(*command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
