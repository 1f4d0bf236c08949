"""A private Redis Cluster: three masters with a replica each, like a sharded cache in production."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis

from local.servers.redis_server import in_container, start_redis
from local.servers.server import Server, ServerError

MASTERS = 3
SLOTS = 16_384
FIRST_REPLICA = 3
"""In a shard of CLUSTER SLOTS, after its first slot, its last slot and its master."""
SETTLED_SECONDS = 30
# A replica is named to nobody before its master has written anything to it, if only a ping.
OPTIONS = (
    *("--repl-ping-replica-period", "1"),
    *("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "2000"),
    *("--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"),
    *("--cluster-allow-replica-migration", "no"),
)


class Cluster:
    """Its nodes; the masters come first, each with its replica three places after it."""

    name = "Redis Cluster"

    def __init__(self, nodes: list[Server]) -> None:
        self.nodes = nodes
        self.host, self.port = nodes[0].host, nodes[0].port
        self.environment = nodes[0].environment | {"REDIS_DB": "0"}

    def close(self) -> None:
        """Stop all nodes for good."""
        for node in self.nodes:
            node.close()

    def wait_until_settled(self) -> None:
        """Return once every node knows that all slots are served and each replica has its master's data.

        Raises:
            ServerError: That takes too long.
        """
        deadline = time.monotonic() + SETTLED_SECONDS
        while not all(_is_settled(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise ServerError("The nodes of the Redis Cluster do not agree.")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_cluster(folder: Path, options: Sequence[Sequence[str]] = ()) -> Cluster:
    """Start a cluster on the loopback interface; the first node lies in `folder`, the others beside it.

    Args:
        folder: As of start_redis.
        options: Further ones of redis-server, for each node.
    Raises:
        ServerError: It does not come about.
    """
    if in_container():
        raise ServerError(
            "A Redis Cluster needs redis-server or valkey-server: each in its container, its nodes do not meet."
        )
    with ExitStack() as if_it_fails:
        nodes: list[Server] = []
        for number in range(2 * MASTERS):
            place = folder if number == 0 else folder.with_name(f"{folder.name}-{number}")
            (place / "nodes.conf").unlink(missing_ok=True)  # of the last time, with other ports
            nodes.append(start_redis(place, None, *OPTIONS, *(options[number] if options else ())))
            if_it_fails.callback(nodes[-1].close)
        cluster = Cluster(nodes)
        _join(nodes)
        cluster.wait_until_settled()
        if_it_fails.pop_all()
    return cluster


def ask(node: Server, *command: object) -> Any:
    """Return a node's reply."""
    with redis.Redis(host=node.host, port=node.port, decode_responses=True) as client:
        return client.execute_command(*command)


def _join(nodes: list[Server]) -> None:
    masters, replicas = nodes[:MASTERS], nodes[MASTERS:]
    first = masters[0]
    for number, node in enumerate(nodes):
        ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        ask(first, "CLUSTER", "MEET", node.host, node.port, ask(node, "CONFIG", "GET", "cluster-port")["cluster-port"])
    for number, master in enumerate(masters):
        ask(master, "CLUSTER", "ADDSLOTSRANGE", number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1)
    deadline = time.monotonic() + SETTLED_SECONDS
    for master, replica in zip(masters, replicas, strict=True):
        while True:
            try:
                ask(replica, "CLUSTER", "REPLICATE", ask(master, "CLUSTER", "MYID"))
                break
            except redis.ResponseError:  # they have not met yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _is_settled(node: Server) -> bool:
    shards = ask(node, "CLUSTER", "SLOTS")
    covered = sum(last + 1 - first for first, last, *_ in shards)
    replication = ask(node, "INFO", "replication")
    followed = replication["role"] == "master" or replication["master_link_status"] == "up"
    replicated = all(len(shard) > FIRST_REPLICA for shard in shards)
    return covered == SLOTS and replicated and followed and "cluster_state:ok" in ask(node, "CLUSTER", "INFO")
