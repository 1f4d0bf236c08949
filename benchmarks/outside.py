"""Another system's UPDATE: what the triggers cost it, how quick the sweep is, and how soon checks see the change."""

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.options import Options
from benchmarks.refresh import sweep_backlog
from benchmarks.requests import check
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.stores import Stores

FIRST = 10_001
"""Customers are numbered from here on."""
READERS = 100
"""Customers whose score is cached and asked for, the first and the last changed among them."""
LOANS = 10
CHUNK = 1_000
"""Of customers who are added one by one; the others are copies."""
POLL_SECONDS = 0.01
PROMISED_SECONDS, PROMISED_ROWS_PER_SECOND = 2, 20_000
SETTLE_SECONDS = 3
"""The sweeping process has begun by then."""
ROUNDS_OF_ONE, ROUNDS_OF_MANY = 200, 3
"""How often each UPDATE is timed; the largest once."""
MOMENTS = 20
"""In which one customer is changed: it may be right before a sweep or right after one."""

TOO_LITTLE, PLENTY = 1, 9_000_000_000
RAISE = "UPDATE customers SET monthly_salary = %s WHERE customer_id BETWEEN %s AND %s"
INVALIDATE = """
INSERT INTO cache_invalidations (customer_id) SELECT customer_id FROM customers WHERE customer_id BETWEEN %s AND %s
"""
COPY = """
INSERT IGNORE INTO customers
SELECT customer_id + %s, first_name, last_name, age, phone_number + %s, monthly_salary, approved_limit, current_debt,
       on_hold
  FROM customers WHERE customer_id BETWEEN %s AND %s
"""
TRIGGERS, BY_HAND, NOBODY_TOLD = "triggers", "by hand, one row a customer", "nobody told"


def measure_section(stores: Stores, options: Options) -> Findings:
    """Change one customer's salary, a tenth of all and all; without sweeping first, then with a sweep every second."""
    _fill(stores, options.changed)
    sizes = sorted({1, max(1, options.changed // 10), options.changed})
    costs = [row for size in sizes for row in _costs(stores, size, options.changed)]
    backlog = sweep_backlog(stores, options.changed)
    stores.database.execute("TRUNCATE TABLE cache_invalidations")
    with _sweeping():
        times = []
        for size in sizes:
            taken = [_seconds_until_fresh(stores, size) for _ in range(MOMENTS if size == 1 else 1)]
            times.append((size, *map(max, zip(*taken, strict=True))))
    return Findings(
        tables=[
            backlog,
            Table(
                "What an UPDATE of customers.monthly_salary costs its writer",
                ["", "customers", "median ms, COMMIT included", f"x {NOBODY_TOLD}", "us more a customer"],
                costs,
                f"Each way in turn, in a random order. {NOBODY_TOLD.capitalize()}: @cache_invalidations_by_hand is set "
                "and nothing is written in the triggers' place, as the floor.",
            ),
            Table(
                "From the COMMIT of an UPDATE until no check is answered from before it",
                ["customers", "seconds of the UPDATE", "seconds until fresh", "customers/s"],
                [[size, writing, fresh, size / fresh] for size, writing, fresh in times],
                f"{READERS} customers in all parts of what is changed are cached and asked for, again and again. A "
                "second process runs refresh_cache, which sweeps every second. "
                f"One customer is changed {MOMENTS} times, and the longest counts.",
            ),
        ],
        targets=[
            Target.of_count(
                f"seconds until {size:,} are fresh", fresh, PROMISED_SECONDS + size / PROMISED_ROWS_PER_SECOND
            )
            for size, _, fresh in times
        ]
        + [
            Target.of_count(f"sweep, us a row, {part}", 1_000_000 / float(backlog.rows[0][column] or 1), 50)
            for column, part in ((2, "first tenth"), (3, "last tenth"))
        ],
        remarks=["Nothing was pinned to a core, and the machine was not watched in between."],
    )


def _fill(stores: Stores, customers: int) -> None:
    """Add the customers; those who will be asked for with loans."""
    asked = {*_readers(1), *_readers(max(1, customers // 10)), *_readers(customers)}
    stores.add_customers([(number, LOANS) for number in sorted(asked)])
    stores.add_customers([(number, 0) for number in range(FIRST, FIRST + min(CHUNK, customers)) if number not in asked])
    there = CHUNK
    while there < customers:
        last = FIRST + min(there, customers - there) - 1
        stores.database.execute(COPY, [there, there, FIRST, last])
        there *= 2
    stores.database.execute("ANALYZE TABLE customers, loans")


def _readers(size: int) -> Sequence[int]:
    """Return some of the first customers, the first and the last of them included."""
    return sorted({FIRST + (size - 1) * number // (READERS - 1) for number in range(READERS)})


def _costs(stores: Stores, size: int, largest: int) -> list[list[Cell]]:
    """Return what the UPDATE of so many takes in each way."""
    rounds = ROUNDS_OF_ONE if size == 1 else ROUNDS_OF_MANY if size < largest else 1
    _update(stores, NOBODY_TOLD, size)  # now all have the same salary, and every UPDATE changes every row
    seconds: dict[str, list[float]] = {way: [] for way in (TRIGGERS, BY_HAND, NOBODY_TOLD)}
    order = list(seconds)
    for _ in range(rounds):
        random.shuffle(order)
        for way in order:
            stores.database.execute("TRUNCATE TABLE cache_invalidations")
            seconds[way].append(_update(stores, way, size))
    median = {way: statistics.median(taken) for way, taken in seconds.items()}
    floor = median[NOBODY_TOLD]
    return [[way, size, 1e3 * took, took / floor, 1e6 * (took - floor) / size] for way, took in median.items()]


def _update(stores: Stores, way: str, size: int) -> float:
    """Give the first customers another salary; return the seconds that it takes."""
    database = stores.database
    ((salary,),) = database.execute("SELECT monthly_salary FROM customers WHERE customer_id = %s", [FIRST])
    first, last = FIRST, FIRST + size - 1
    started_at = time.perf_counter()
    database.connection.begin()
    if way != TRIGGERS:
        database.execute("SET @cache_invalidations_by_hand = 1")
    database.execute(RAISE, [TOO_LITTLE if salary == PLENTY else PLENTY, first, last])
    if way == BY_HAND:
        database.execute(INVALIDATE, [first, last])
    if way != TRIGGERS:
        database.execute("SET @cache_invalidations_by_hand = NULL")
    database.connection.commit()
    return time.perf_counter() - started_at


@contextmanager
def _sweeping() -> Iterator[None]:
    """Run refresh_cache without a break meanwhile."""
    with subprocess.Popen([sys.executable, "-m", "local.refresh", "--go-on"], stdout=subprocess.DEVNULL) as process:
        time.sleep(SETTLE_SECONDS)
        try:
            yield
        finally:
            process.terminate()


def _seconds_until_fresh(stores: Stores, size: int) -> tuple[float, float]:
    """Raise the salary of so many; return the seconds of that, and of what follows until the last check has seen it."""
    database, readers = stores.database, _readers(size)
    database.execute(RAISE, [TOO_LITTLE, FIRST, FIRST + size - 1])
    while database.execute("SELECT 1 FROM cache_invalidations WHERE swept_at IS NULL LIMIT 1"):
        time.sleep(POLL_SECONDS)
    if any(_approved(customer_id) for customer_id in readers):
        raise RuntimeError("A check is answered from before the last sweep.")
    seconds = _update(stores, TRIGGERS, size)
    committed_at = time.perf_counter()
    waiting = readers
    while waiting := [customer_id for customer_id in waiting if not _approved(customer_id)]:
        time.sleep(POLL_SECONDS)
    return seconds, time.perf_counter() - committed_at


def _approved(customer_id: int) -> bool:
    return bool(json.loads(check(customer_id)["body"])["approval"])
