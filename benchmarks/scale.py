"""Measures a large database: what a miss reads, and what lending, importing and refreshing the cache cost."""

import os
import random
import statistics
from collections.abc import Callable
from itertools import cycle

from benchmarks.interleaved import Subject, left_out, measure
from benchmarks.large_portfolio import import_portfolio
from benchmarks.options import Options
from benchmarks.refresh import fill_cache, refresh_in_bulk
from benchmarks.requests import CREATED, check_event, checking, create_event, creating, new_key
from benchmarks.results import Findings, Table, Target
from benchmarks.stores import Stores
from lending.config import MAX_SWEEP_SECONDS
from local.sample_data.records import FIRST_CUSTOMER_ID

WARM_UP_ROUNDS = 20
ALIKE = 20
"""Customers with the same number of loans, requested in turn."""
NUMBERS_OF_LOANS = (1, 10, 100, 1000)
BORROWERS = 300
BORROWERS_LOANS = 10
ENTRIES = 100_000
PAGE_READS = "Innodb_buffer_pool_read_requests"
PAGE_READS_REPEATED = 50


def measure_section(stores: Stores, options: Options) -> Findings:
    """Fill the database, then send requests for its customers and for others with known numbers of loans."""
    os.environ["SWEEP_SECONDS"] = str(MAX_SWEEP_SECONDS)  # one sweep a run, which ends with it
    imported = import_portfolio(stores, options.customers)
    portfolio = range(FIRST_CUSTOMER_ID, FIRST_CUSTOMER_ID + options.customers)
    subjects = _requests(stores, portfolio)
    rounds = max(1, options.rounds // 4)
    samples = measure(subjects, rounds, warm_up_rounds=WARM_UP_ROUNDS)
    entries = list(portfolio[:ENTRIES])
    return Findings(
        tables=[
            imported,
            Table(
                "Requests on the large database",
                ["", "median us", "p99 us", "page reads"],
                [
                    [name, sample.median_us, sample.p99_us, _page_reads(stores, subjects[name])]
                    for name, sample in samples.items()
                ],
                f"{rounds} rounds; the median of InnoDB's {PAGE_READS} a request.",
            ),
            fill_cache(stores, entries),
            refresh_in_bulk(stores, entries),
        ],
        targets=[Target.of_count("import, us a row", 1_000_000 / float(imported.rows[0][3] or 1), 25)],
        remarks=["Nothing was pinned to a core, and the machine was not watched in between.", left_out(samples)],
    )


def _requests(stores: Stores, portfolio: range) -> dict[str, Subject]:
    subjects = {"miss, any customer": _missing(stores, lambda: random.choice(portfolio))}
    for loans in NUMBERS_OF_LOANS:
        first = portfolio.stop + 10_000 * loans
        alike = range(first, first + ALIKE)
        stores.add_customers([(number, loans) for number in alike])
        subjects[f"miss, {loans} loan{'s' if loans > 1 else ''}"] = _missing(stores, cycle(alike).__next__)
    borrowers = range(portfolio.stop, portfolio.stop + BORROWERS)
    stores.add_customers([(number, BORROWERS_LOANS) for number in borrowers])
    next_borrower = cycle(borrowers).__next__
    return subjects | {
        "create-loan, approved": creating(lambda: create_event(next_borrower(), new_key()), CREATED),
    }


def _missing(stores: Stores, choose: Callable[[], int]) -> Subject:
    def forgotten() -> dict[str, object]:
        customer_id = choose()
        stores.forget(customer_id)
        return check_event(customer_id)

    return checking(forgotten, "fwd=miss; stored")


def _page_reads(stores: Stores, subject: Subject) -> int:
    """Return how many pages a request reads. It is the median, because the server's own threads also read some."""
    reads = []
    for _ in range(PAGE_READS_REPEATED):
        given = subject.prepare()
        before = stores.status(PAGE_READS)
        answer = subject.call(given)
        read = stores.status(PAGE_READS) - before
        if subject.expected(answer):
            reads.append(read)
    return statistics.median_low(reads)
