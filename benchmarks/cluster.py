"""A sharded cache under load: what a hit costs, what a reshard of all slots costs, and what a dead master costs.

python -m benchmarks.cluster          two minutes; starts a Redis and a Redis Cluster of its own
"""

import tempfile
import time
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from itertools import pairwise
from multiprocessing import Event, Process
from multiprocessing.synchronize import Event as EventType
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import redis

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_cluster import SLOTS, RedisCluster, slot_of
from lending.adapters.redis_connection import RedisConnection
from lending.adapters.redis_scores import RedisScoreCache
from lending.adapters.redis_scripts import LOOK_UP
from lending.config import Settings
from lending.domain.scoring import assess
from lending.patience import Patience
from local.servers.redis_cluster import MASTERS, Cluster, ask, start_cluster
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.fakes import POLICY, Customer, a_loan, credit_record
from testkit.resharding import Resharding

TODAY = date(2024, 6, 15)
KEYSPACE = Keyspace(0, "", "mark")
CUSTOMERS = 300
HITS = 20_000
FIRSTS = 40
OUTAGE_SECONDS = 15


class LookUps(NamedTuple):
    """What became of some look-ups."""

    milliseconds: list[float]
    bypasses: int
    misses: int


def settings_of(server: Server | Cluster) -> Settings:
    """Return settings that lead to it."""
    database = {"DB_HOST": "127.0.0.1", "DB_NAME": "none", "DB_USER": "none"}
    return Settings.from_env(database | server.environment | {"REDIS_DB": "0"})


class Reader:
    """An execution environment that looks customers up, as often as it is told to."""

    def __init__(self, server: Server | Cluster, connection: type[RedisConnection] = RedisCluster) -> None:
        self.connection = connection(settings_of(server), None, Patience())

    def cache(self) -> RedisScoreCache:
        """Return the cache of one request."""
        return RedisScoreCache(self.connection, KEYSPACE, Patience())

    def fill(self) -> None:
        """Fill the entry of each customer that has none."""
        record = credit_record(0, Customer(Decimal(90_000), Decimal(3_000_000)), [a_loan()] * 3, TODAY)
        for customer_id in range(CUSTOMERS):
            cache = self.cache()
            found = cache.look_up(customer_id, TODAY, POLICY)
            if found.lease is not None:
                cache.fill(found.lease, assess(record._replace(customer_id=customer_id), TODAY, POLICY))

    def look_up(self, customer_id: int, told: LookUps) -> LookUps:
        """Look one up, and add what came of it."""
        cache = self.cache()
        started_at = time.perf_counter()
        found = cache.look_up(customer_id, TODAY, POLICY)
        told.milliseconds.append((time.perf_counter() - started_at) * 1000)
        away = found.bypass is not None
        return told._replace(bypasses=told.bypasses + away, misses=told.misses + (not away and found.profile is None))

    def look_up_while(self, going_on: EventType | None, times: int = HITS) -> LookUps:
        """Look customers up so often, or until the event."""
        told, number = LookUps([], 0, 0), 0
        while number < times if going_on is None else not going_on.is_set():
            told = self.look_up(number % CUSTOMERS, told)
            number += 1
        return told


def in_words(what: str, told: LookUps, redirected: int) -> str:
    """Return a line of the table."""
    cuts = quantiles(told.milliseconds, n=100)
    share = 100 * redirected / len(told.milliseconds)
    return (
        f"{what:34} {len(told.milliseconds):8,} look-ups  median {median(told.milliseconds):.3f} ms"
        f"  p99 {cuts[98]:.3f} ms  longest {max(told.milliseconds):6.1f} ms  redirected {share:.3f} %"
        f"  bypassed {told.bypasses}  missed {told.misses}"
    )


def redirections(cluster: Cluster) -> int:
    """Return how many MOVED and ASK its nodes have replied."""
    told = [ask(node, "INFO", "errorstats") for node in cluster.nodes]
    return sum(each.get(f"errorstat_{word}", {"count": 0})["count"] for each in told for word in ("MOVED", "ASK"))


def move_all(cluster: Cluster, over: EventType) -> None:
    """Move every slot to the next master, and say so."""
    try:
        with Resharding(cluster) as resharding:
            bounds = [number * SLOTS // MASTERS for number in range(MASTERS + 1)]
            of_each = [range(*each) for each in pairwise(bounds)]
            # To one node after the other: were all to take slots at once, they could claim the same one by the same
            # epoch. The last slot of each goes last: a master that has none left becomes a replica.
            for part in (slice(None, -1), slice(-1, None)):
                for number, slots in enumerate(of_each):
                    for slot in slots[part]:
                        resharding.move(slot, cluster.nodes[(number + 1) % MASTERS])
    finally:
        over.set()


def first_answer(cluster: Cluster) -> tuple[float, float]:
    """Return the median milliseconds of a first look-up, ours and by redis-py's cluster client."""
    ours, theirs = [], []
    for number in range(FIRSTS):
        reader = Reader(cluster)
        ours.append(reader.look_up(number, LookUps([], 0, 0)).milliseconds[0])
        reader.connection.close()
        started_at = time.perf_counter()
        client = redis.RedisCluster(host=cluster.host, port=cluster.port)
        client.eval(LOOK_UP, 1, KEYSPACE.entry(number), "lease:x")
        theirs.append((time.perf_counter() - started_at) * 1000)
        client.close()
    return median(ours), median(theirs)


def hits(node: Server, cluster: Cluster) -> None:
    """Print what a hit costs: on a node with and without what follows slots, on the cluster, and by redis-py."""
    readers = {
        "node, plain connection": Reader(node, RedisConnection),
        "node, as the service asks it": Reader(node),
        "cluster": Reader(cluster),
    }
    for reader in readers.values():
        reader.fill()
    client = redis.RedisCluster(host=cluster.host, port=cluster.port)
    times: dict[str, list[float]] = {name: [] for name in [*readers, "cluster, by redis-py's client"]}
    for number in range(HITS):
        for name, reader in readers.items():
            cache = reader.cache()
            started_at = time.perf_counter()
            cache.look_up(number % CUSTOMERS, TODAY, POLICY)
            times[name].append(time.perf_counter() - started_at)
        started_at = time.perf_counter()
        client.eval(LOOK_UP, 1, KEYSPACE.entry(number % CUSTOMERS), "lease:x")
        times["cluster, by redis-py's client"].append(time.perf_counter() - started_at)
    for name, seconds in times.items():
        print(f"a hit: {name:34} {median(seconds) * 1e6:7.1f} us")
    ours, theirs = first_answer(cluster)
    print(f"first look-up of a process: ours {ours:.2f} ms, by redis-py's client {theirs:.2f} ms")


def reshard(cluster: Cluster) -> None:
    """Print look-ups before and while every slot moves."""
    reader = Reader(cluster)
    reader.fill()
    before = redirections(cluster)
    print(in_words("before the reshard", reader.look_up_while(None), redirections(cluster) - before))
    over, before = Event(), redirections(cluster)
    mover = Process(target=move_all, args=(cluster, over))
    mover.start()
    print(in_words(f"while all {SLOTS} slots move", reader.look_up_while(over), redirections(cluster) - before))
    mover.join()


def kill(cluster: Cluster) -> None:
    """Print what a master's death costs its customers and the others."""
    reader = Reader(cluster)
    reader.fill()
    with Resharding(cluster) as resharding:
        victim = resharding.owner_of(slot_of(KEYSPACE.entry(0)))
        on_it = {c for c in range(CUSTOMERS) if resharding.owner_of(slot_of(KEYSPACE.entry(c))) is victim}
    victim.kill()
    killed_at = time.monotonic()
    others, its, recovered_at = LookUps([], 0, 0), LookUps([], 0, 0), 0.0
    while time.monotonic() < killed_at + OUTAGE_SECONDS:
        for customer_id in range(CUSTOMERS):
            if customer_id not in on_it:
                others = reader.look_up(customer_id, others)
                continue
            bypasses = its.bypasses
            its = reader.look_up(customer_id, its)
            if its.bypasses > bypasses:
                recovered_at = time.monotonic()
    print(in_words("a master dead: other shards", others, 0))
    print(in_words("a master dead: its customers", its, 0))
    print(f"its customers were cached again {recovered_at - killed_at:.1f} s after the kill")


def main() -> None:
    """Measure, and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        node = stack.enter_context(start_redis(folder / "node"))
        cluster = stack.enter_context(start_cluster(folder / "cluster"))
        hits(node, cluster)
        reshard(cluster)
        kill(cluster)


if __name__ == "__main__":
    main()
