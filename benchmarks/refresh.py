"""Measures many entries: how much memory an entry takes, and how quickly refresh_cache works on them."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import psutil

from benchmarks.memory import MIB, resident_bytes
from benchmarks.results import Table
from benchmarks.stores import Stores
from functions.refresh_cache import app as refresh_cache
from lending import wiring
from lending.adapters.mysql_outbox import MySQLOutbox
from lending.adapters.redis_scripts import TTL_SECONDS
from lending.adapters.score_document import to_document
from lending.domain.scoring import assess
from lending.use_cases.refresh_cache import BATCH as SWEEP_BATCH
from lending.use_cases.refresh_cache import CacheRefresh
from local.front.lambda_context import LambdaContext
from testkit.database import connect

BATCH = 500
RENEWED = 10_000
SAMPLED_KEYS = 200
TIMEOUT_SECONDS = 900
DOUBLE = """
INSERT INTO cache_invalidations (customer_id) SELECT customer_id + %s FROM cache_invalidations WHERE customer_id <= %s
"""


class RefreshError(Exception):
    """refresh_cache did not do the work that the benchmark times."""


def fill_cache(stores: Stores, customer_ids: Sequence[int]) -> Table:
    """Cache the customers' profiles; return how much memory they take."""
    before = _used_memory(stores)
    today = wiring.today()
    for start in range(0, len(customer_ids), BATCH):
        records = wiring.loan_store().credit_records(customer_ids[start : start + BATCH], today)
        with stores.cache.pipeline(transaction=False) as pipeline:
            for record in records:
                pipeline.set(
                    wiring.keyspace().entry(record.customer_id),
                    to_document(assess(record, today, wiring.policy_of(today)), wiring.keyspace().mark),
                    ex=TTL_SECONDS,
                )
            pipeline.execute()
    sampled = customer_ids[:: max(1, len(customer_ids) // SAMPLED_KEYS)]
    usage = [int(stores.cache.memory_usage(wiring.keyspace().entry(customer_id)) or 0) for customer_id in sampled]
    lengths = [int(stores.cache.strlen(wiring.keyspace().entry(customer_id))) for customer_id in sampled]
    return Table(
        "Memory of the cached entries",
        ["entries", "document bytes", "MEMORY USAGE bytes", "used_memory / entries"],
        [
            [
                len(customer_ids),
                sum(lengths) / len(lengths),
                sum(usage) / len(usage),
                (_used_memory(stores) - before) / len(customer_ids),
            ]
        ],
    )


def refresh_in_bulk(stores: Stores, customer_ids: Sequence[int]) -> Table:
    """Have refresh_cache sweep and then warm the customers' entries; return how long it takes."""
    ids = customer_ids[:RENEWED]
    connection = stores.database.connection
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE TABLE cache_invalidations")
        cursor.executemany("INSERT INTO cache_invalidations (customer_id) VALUES (%s)", [(each,) for each in ids])
    before_mib = _resident_mib()
    sweep_seconds = _refresh("swept", len(ids))
    fill_cache(stores, ids)
    stores.cache.sadd(wiring.keyspace().expiring, *ids)
    warm_seconds = _refresh("warmed", len(ids))
    return Table(
        "One run of refresh_cache",
        ["", "entries", "seconds", "entries/s"],
        [
            ["sweep", len(ids), sweep_seconds, len(ids) / sweep_seconds],
            ["warm", len(ids), warm_seconds, len(ids) / warm_seconds],
        ],
        "The whole function, its inspection of a sample included. "
        f"The process had {before_mib:.0f} MiB in memory before, {_resident_mib():.0f} after.",
    )


def sweep_backlog(stores: Stores, rows: int) -> Table:
    """Sweep so many invalidations of as many customers; return the rates of the first and the last of them."""
    first, second = _sweep_twice(stores, rows)
    with connect(stores.environment) as backup, backup.cursor() as cursor:
        # What mysqldump --single-transaction begins with.
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        first_beside, second_beside = _sweep_twice(stores, rows // 10)
    return Table(
        f"A sweep of {rows:,} invalidations",
        ["", "rows/s, all", "rows/s, first tenth", "rows/s, last tenth"],
        [
            ["first pass", *first],
            ["second pass", *second],
            ["first pass of a tenth, while a backup holds its snapshot", *first_beside],
            ["second pass of a tenth, while a backup holds its snapshot", *second_beside],
        ],
        f"In batches of {SWEEP_BATCH:,}; none of these customers is cached.",
    )


def _sweep_twice(stores: Stores, rows: int) -> list[list[float]]:
    """Return the rates of both passes: over all, the first tenth and the last."""
    stores.database.execute("TRUNCATE TABLE cache_invalidations")
    stores.database.execute("INSERT INTO cache_invalidations (customer_id) VALUES (1)")
    there = 1
    while there < rows:
        stores.database.execute(DOUBLE, [there, rows - there])
        there *= 2
    moments = [(0, time.perf_counter())]

    def seconds_left() -> float:
        moments.append((refresh.report.swept, time.perf_counter()))
        return math.inf if refresh.report.swept < 2 * rows else 0

    # The second pass comes right after the first.
    outbox = MySQLOutbox(wiring.database(), replace(wiring.patience, second_pass=-1))
    refresh = CacheRefresh(
        outbox,
        wiring.loan_store(),
        wiring.bulk_score_cache(),
        wiring.today,
        wiring.day_in,
        wiring.policy_of,
        seconds_left,
    )
    while refresh.report.swept < 2 * rows:
        refresh.sweep()
    tenth = rows // 10
    stretches = [(0, rows), (0, tenth), (rows - tenth, rows)]
    return [[_rate(moments, start + begin, start + end) for begin, end in stretches] for start in (0, rows)]


def _rate(moments: Sequence[tuple[int, float]], begin: int, end: int) -> float:
    """Return the rows a second between two counts of rows."""
    first = max(moment for moment in moments if moment[0] <= begin)
    last = min(moment for moment in moments if moment[0] >= end)
    return (last[0] - first[0]) / (last[1] - first[1])


def _refresh(what: str, expected: int) -> float:
    """Run the function and return how many seconds it took."""
    started_at = time.perf_counter()
    done = refresh_cache.lambda_handler({}, LambdaContext("benchmark", timeout_seconds=TIMEOUT_SECONDS))
    seconds = time.perf_counter() - started_at
    if done[what] != expected or done["mismatches"]:
        raise RefreshError(f"expected {what} {expected} and no mismatch: {done}")
    return seconds


def _resident_mib() -> float:
    return resident_bytes(psutil.Process()) / MIB


def _used_memory(stores: Stores) -> int:
    return int(stores.cache.info("memory")["used_memory"])
