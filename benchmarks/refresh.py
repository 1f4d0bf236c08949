"""Measures many entries: how much memory an entry takes, and how long refresh_cache takes for ten thousand."""

import time
from collections.abc import Sequence

import psutil

from benchmarks.memory import MIB, resident_bytes
from benchmarks.results import Table
from benchmarks.stores import Stores
from functions.refresh_cache import app as refresh_cache
from lending import wiring
from lending.adapters.redis_scores import TTL_SECONDS
from lending.adapters.score_document import to_document
from lending.domain.scoring import assess
from local.front.lambda_context import LambdaContext

BATCH = 500
RENEWED = 10_000
SAMPLED_KEYS = 200
TIMEOUT_SECONDS = 900


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
                    to_document(assess(record, today), wiring.keyspace().mark),
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
