"""What the pages cost the service: requests a second of `make run` while nobody looks and while pages are open."""

import random
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.options import Options
from benchmarks.requests import check
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.served import serving
from benchmarks.stores import Stores
from benchmarks.wrk import Outcome, Traffic, find_wrk, run_wrk
from lending import wiring

CUSTOMERS = range(1001, 2001)
LOANS = 10
TURNS = 9
"""Of each kind, in another order each time, so that all get the same noise."""
WARM_UP_SECONDS = 2
EVERY_SECONDS = 1
BUSY = 503
"""As an open page asks."""
TRAFFIC = Traffic("check", CUSTOMERS.start, len(CUSTOMERS), "pages")
KINDS: dict[str, Sequence[str]] = {
    "no page open": (),
    "/cache open": ("/cache",),
    "/cache and a customer open": ("/cache", "/customers/1001"),
}


def measure_section(stores: Stores, options: Options) -> Findings:
    """Serve, and send the same load with pages open and closed, in turns."""
    find_wrk()
    stores.add_customers([(number, LOANS) for number in CUSTOMERS])
    for number in CUSTOMERS:
        check(number)
    wiring.close()
    outcomes: dict[str, list[Outcome]] = {kind: [] for kind in KINDS}
    looks: dict[str, list[float]] = {kind: [] for kind in KINDS}
    processor = dict.fromkeys(KINDS, 0.0)
    with TemporaryDirectory() as folder, serving(Path(folder) / "lambda.log") as front:
        run_wrk(front.url, TRAFFIC, WARM_UP_SECONDS)
        (pages,) = [child for child in front.process.children() if "local.pages" in child.cmdline()]
        for _ in range(TURNS):
            for kind, paths in random.sample([*KINDS.items()], len(KINDS)):
                before = sum(pages.cpu_times()[:2])
                with _open(front.url, paths, looks[kind]):
                    outcomes[kind].append(run_wrk(front.url, TRAFFIC, options.seconds))
                processor[kind] += sum(pages.cpu_times()[:2]) - before
    closed = [outcome.per_second for outcome in outcomes["no page open"]]
    ratios = [a / b.per_second for a, b in zip(closed, outcomes["/cache open"], strict=True)]
    return Findings(
        tables=[
            Table(
                "Checks of 1,000 customers, two workers",
                ["", "requests/s", "p99 ms", "a page's ms", "processor ms a page", "errors"],
                [_row(kind, outcomes[kind], looks[kind], processor[kind]) for kind in KINDS],
                f"Median of {TURNS} turns of {options.seconds} s each, in turns. An open page asks for itself every"
                " second; a browser's own work is not in it.",
            )
        ],
        targets=[
            Target("closed / open, requests a second", statistics.median(ratios), 1.05, min(ratios), max(ratios)),
            Target.of_count("errors", sum(each.errors for turns in outcomes.values() for each in turns), 0),
        ],
    )


def _row(kind: str, outcomes: Sequence[Outcome], looks: Sequence[float], processor: float) -> list[Cell]:
    per_second = statistics.median(outcome.per_second for outcome in outcomes)
    p99 = statistics.median(outcome.p99_us for outcome in outcomes) / 1000
    page_ms = 1000 * statistics.median(looks) if looks else None
    each_ms = 1000 * processor / len(looks) if looks else None
    return [kind, per_second, p99, page_ms, each_ms, sum(outcome.errors for outcome in outcomes)]


@contextmanager
def _open(url: str, paths: Sequence[str], looks: list[float]) -> Iterator[None]:
    """Keep pages open meanwhile, and note how long each of their looks took."""
    closed = threading.Event()

    def look(path: str) -> None:
        while not closed.is_set():
            began = monotonic()
            try:
                with urlopen(url + path, timeout=10) as answer:  # noqa: S310 - our own front
                    answer.read()
            except HTTPError as exc:
                if exc.code != BUSY:
                    raise  # else another page was waiting for a store: this one comes again, as in a browser
            else:
                looks.append(monotonic() - began)
            closed.wait(EVERY_SECONDS)

    threads = [threading.Thread(target=look, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    sleep(EVERY_SECONDS)  # whoever opens a page reads 15 minutes of the log at first
    try:
        yield
    finally:
        closed.set()
        for thread in threads:
            thread.join()
