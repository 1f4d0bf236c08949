"""What a lender of a given size needs of the cache and the database: measured costs, times a stated traffic.

python -m benchmarks.capacity                                    measures for a minute and prints the tables
python -m benchmarks.capacity --customers 5000000 --checks 3     a lender of one's own
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from benchmarks.interleaved import StrayAnswersError, Subject, timed
from benchmarks.stores import Stores, private_stores

CUSTOMERS, LOANS = 2_000, 10
"""Who are measured, and the history of each."""
CALLS = 6_000
IDLE_SECONDS = 3
DAY_SECONDS = 86_400
MILLION = 1_000_000

ENTRY_BYTES = 1_029
"""An entry in the hour before a policy begins, when it holds two profiles (docs/cache.md, "Memory")."""
RESERVED = 0.25
"""Of a node's memory, for replication and failover: ElastiCache's reserved-memory-percent."""
CORE_SHARE = 0.5
"""Of a core that the plan uses: what is left is for a failover, a reshard, and a core that is slower than this one."""
SWEPT_PER_SECOND = 20_000
"""By one run of refresh_cache (benchmarks/README.md)."""

NODES = {"cache.t4g.small": 1.37, "cache.m7g.large": 6.38, "cache.r7g.large": 13.07, "cache.r7g.2xlarge": 52.82}
"""GiB. Source: ElastiCache's pricing page. A node's engine uses one core."""
WRITERS = {"db.t4g.small": 0.8, "db.r7g.large": 2, "db.r7g.xlarge": 4, "db.r7g.4xlarge": 16, "db.r7g.16xlarge": 64}
"""vCPUs; of the burstable one, what it may use all day. Source: RDS's page of instance types."""
LARGEST_NODE = "cache.r7g.2xlarge"
"""A larger one would take longer to copy to its replica than to be filled again from the database."""
GIB = 2**30
COLUMNS = (
    *("customers", "entries", "checks/s", "misses/s", "loans/s", "cache GiB", "cache cores", "cache"),
    *("database cores", "writer", "changes/s", "refresh"),
)


class Costs(NamedTuple):
    """Processor time of the servers for one of each, in microseconds."""

    cache_hit: float
    cache_miss: float
    cache_loan: float
    database_miss: float
    database_loan: float


@dataclass(frozen=True)
class Lender:
    """Its traffic."""

    customers: int
    active: float
    """The share who are asked for on one day: each has an entry."""
    checks: float
    """Of an active customer on that day."""
    loans: float
    """Of a check, how many end in a loan."""
    changes: float
    """Of a customer a day, by other systems: repayments, mostly."""
    peak: float
    """The busiest minute, in means of the day."""

    @property
    def entries(self) -> float:
        """How many are cached at the end of a day."""
        return self.customers * self.active

    @property
    def checks_per_second(self) -> float:
        """In the busiest minute."""
        return self.entries * self.checks * self.peak / DAY_SECONDS

    @property
    def loans_per_second(self) -> float:
        """In the busiest minute."""
        return self.checks_per_second * self.loans

    @property
    def misses_per_second(self) -> float:
        """A customer's first check of the day, and the one after each loan or change of an active customer."""
        of_the_day = self.entries * (1 + self.changes) * self.peak / DAY_SECONDS
        return min(self.checks_per_second, of_the_day + self.loans_per_second)

    @property
    def changes_per_second(self) -> float:
        """In the busiest minute, each of which is swept."""
        return self.customers * self.changes * self.peak / DAY_SECONDS


class Needs(NamedTuple):
    """What a lender needs in its busiest minute."""

    memory_gib: float
    cache_cores: float
    node: str
    shards: int
    database_cores: float
    writer: str
    runs_of_the_refresh: float


def needs_of(lender: Lender, costs: Costs) -> Needs:
    """Return the smallest node that is enough or, beyond the largest, the number of shards; and the writer."""
    memory = lender.entries * ENTRY_BYTES / (1 - RESERVED) / GIB
    hits = lender.checks_per_second - lender.misses_per_second
    cache = hits * costs.cache_hit + lender.misses_per_second * costs.cache_miss
    cache_cores = (cache + lender.loans_per_second * costs.cache_loan) / MILLION
    database = lender.misses_per_second * costs.database_miss + lender.loans_per_second * costs.database_loan
    database_cores = database / MILLION
    shards = max(math.ceil(memory / NODES[LARGEST_NODE]), math.ceil(cache_cores / CORE_SHARE), 1)
    node = next((name for name, gib in NODES.items() if gib * shards >= memory), LARGEST_NODE)
    writer = next((name for name, cores in WRITERS.items() if cores * CORE_SHARE >= database_cores), "several")
    refresh = lender.changes_per_second / SWEPT_PER_SECOND
    return Needs(memory, cache_cores, node, shards, database_cores, writer, refresh)


def measured_costs(stores: Stores) -> Costs:
    """Have the real handlers hit, miss and lend, and look at how busy the servers were."""
    # They look for their stores when they are imported.
    from benchmarks.requests import CREATED, check_event, checking, create_event, creating, new_key  # noqa: PLC0415 - as said

    stores.add_customers([(number, LOANS) for number in range(1, CUSTOMERS + 1)])
    customers = cycle(range(1, CUSTOMERS + 1))

    def forgotten() -> int:
        customer_id = next(customers)
        stores.forget(customer_id)
        return customer_id

    missing = checking(lambda: check_event(forgotten()), "fwd=miss; stored")
    hitting = checking(lambda: check_event(next(customers)), "hit")
    lending = creating(lambda: create_event(next(customers), new_key()), CREATED)
    _busy(stores, missing)
    database_hit, cache_hit = _busy(stores, hitting)
    database_miss, cache_miss = _busy(stores, missing)
    _, cache_forgets = _busy(stores, Subject(lambda _: forgotten(), lambda: None, bool))
    database_loan, cache_loan = _busy(stores, lending)
    return Costs(cache_hit, cache_miss - cache_forgets, cache_loan, database_miss - database_hit, database_loan)


def _busy(stores: Stores, subject: Subject) -> tuple[float, float]:
    """Return what a call costs the database and the cache, in microseconds beside what they do when idle."""
    resting = _processor_seconds(stores)
    time.sleep(IDLE_SECONDS)
    before, began = _processor_seconds(stores), time.monotonic()
    for _ in range(CALLS):
        _, answer = timed(subject)
        if not subject.expected(answer):
            raise StrayAnswersError(f"unexpected: {answer!r}")
    after, seconds = _processor_seconds(stores), time.monotonic() - began
    mysql, cache = (
        MILLION * (last - first - (first - idle) * seconds / IDLE_SECONDS) / CALLS
        for idle, first, last in zip(resting, before, after, strict=True)
    )
    return mysql, cache


def _processor_seconds(stores: Stores) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in stores.processes]


def report(costs: Costs, lenders: Sequence[Lender]) -> str:
    """Return the tables, as docs/scale.md has them."""
    priced = [
        ("a hit", costs.cache_hit, 0.0),
        ("a miss", costs.cache_miss, costs.database_miss),
        ("a loan", costs.cache_loan, costs.database_loan),
    ]
    lines = ["| processor time, microseconds | of the cache | of the database |", "|---|---:|---:|"]
    lines += [f"| {what} | {cache:.0f} | {database:.0f} |" for what, cache, database in priced]
    lines += [
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---:|---:|---:|---:|---:|---:|---:|---|---:|---|---:|---:|",
    ]
    for lender in lenders:
        needs = needs_of(lender, costs)
        cache = needs.node if needs.shards == 1 else f"{needs.shards} shards, {needs.node}"
        lines.append(
            f"| {lender.customers:,} | {lender.entries:,.0f} | {lender.checks_per_second:,.0f} "
            f"| {lender.misses_per_second:,.0f} | {lender.loans_per_second:,.0f} | {needs.memory_gib:,.1f} "
            f"| {needs.cache_cores:.2f} | {cache} | {needs.database_cores:.2f} | {needs.writer} "
            f"| {lender.changes_per_second:,.0f} | {100 * needs.runs_of_the_refresh:.1f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, compute and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000, 500_000_000])
    parser.add_argument("--active", type=float, default=0.1, help="share of the customers asked for on a day")
    parser.add_argument("--checks", type=float, default=5, help="of an active customer on that day")
    parser.add_argument("--loans", type=float, default=0.02, help="of a check")
    parser.add_argument("--changes", type=float, default=1 / 30, help="of a customer a day, by other systems")
    parser.add_argument("--peak", type=float, default=4, help="the busiest minute, in means of the day")
    given = vars(parser.parse_args())
    sizes = given.pop("customers")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), private_stores() as stores:
        if not stores.processes:
            sys.exit("The servers run in containers, where their processor time cannot be seen.")
        costs = measured_costs(stores)
    print(report(costs, [Lender(customers, **given) for customers in sizes]))


if __name__ == "__main__":
    main()
