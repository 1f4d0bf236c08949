"""The sharded cache of a lane of histories, whose slots move, whose masters die and whose replicas take over."""

import random
import time
from pathlib import Path

from lending.adapters.redis_cluster import slot_of
from local.servers.redis_cluster import ask, start_cluster
from local.servers.server import Server
from testkit.fakes import KEYSPACE
from testkit.resharding import Resharding

PAUSE_SECONDS = 0.01
"""The longest while that a slot is on its way."""


class ShardedCache:
    """A Redis Cluster; each fault strikes the node that has the customer's entry."""

    def __init__(self, folder: Path, rng: random.Random, name: str) -> None:
        self._rng = rng
        self._cluster = start_cluster(folder / "node")
        self._resharding = Resharding(self._cluster)
        self.environment = self._cluster.environment | {"REDIS_HOST": name}
        self._slot = 0
        self._home: Server | None = None
        """Where the slot was before it moved."""

    def aim_at(self, customer_id: int) -> None:
        """Let what happens next happen to this customer's node."""
        if self._home is not None:  # or the map of the slots would grow with each history
            self._resharding.move(self._slot, self._home)
            self._resharding.wait_until_agreed(self._slot)
            self._home = None
        self._slot = slot_of(KEYSPACE.entry(customer_id))

    def flush(self) -> None:
        """Forget everything."""
        for master in self._masters():
            ask(master, "FLUSHALL")

    def reshard(self) -> None:
        """Move the slot to another master, with a pause on the way."""
        self._home = self._owner()
        target = self._rng.choice([node for node in self._masters() if node is not self._home])
        self._resharding.begin(self._slot, target)
        time.sleep(self._rng.uniform(0, PAUSE_SECONDS))
        self._resharding.end(self._slot, target)
        self._resharding.wait_until_agreed(self._slot)

    def hand_over(self) -> None:
        """Let the master's replica take over in good order."""
        self._resharding.hand_over(self._slot)
        self._cluster.wait_until_settled()
        self._resharding.wait_until_agreed(self._slot)

    def fail_over(self, alive_seconds: float) -> None:
        """Kill the master after a while. Its replica, which may lack the latest writes, is promoted; it returns."""
        owner = self._owner()
        time.sleep(alive_seconds)
        owner.kill()
        while self._resharding.owner_of(self._slot) is owner:
            time.sleep(0.05)
        owner.start()
        self._cluster.wait_until_settled()
        self._resharding.wait_until_agreed(self._slot)

    def entry(self, customer_id: int) -> bytes:
        """Return a customer's entry."""
        key = KEYSPACE.entry(customer_id)
        held = ask(self._resharding.owner_of(slot_of(key)), "GET", key)
        return held.encode() if held else b""

    def close(self) -> None:
        """Stop all nodes."""
        self._cluster.close()

    def _owner(self) -> Server:
        return self._resharding.wait_until_agreed(self._slot)

    def _masters(self) -> list[Server]:
        return [node for node in self._cluster.nodes if ask(node, "ROLE")[0] == "master"]
