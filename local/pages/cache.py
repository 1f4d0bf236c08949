"""The cache at work: the panels of the CloudWatch dashboard, by the same names, and what is only seen inside."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from lending.domain.eligibility import ReasonCode
from lending.ports import CacheAwayError
from local.pages import charts
from local.pages.entries import HOURS, Node, Walk
from local.pages.rendering import Page, rendered
from local.pages.stores import DATABASE_AWAY, OutboxNow, outbox, why
from local.pages.tally import BUCKETS, CHECK, LOAN, SECONDS_OF_A_BUCKET, Tally, clock

FRESH_SECONDS = 3
"""A page that is older is made anew, as for whoever comes first."""
WATCHED_SECONDS = 5
"""So long after somebody asked."""

ONLY_HERE = {"Entries, leases and markers", "Remaining life of entries, in hours", "Decisions by reason"}
"""Panels that no metric of CloudWatch could fill."""
ONLY_IN_AWS = {
    "API latency in ms": "API Gateway measures it",
    "Concurrent requests": "Lambda counts them",
    "Errors and throttles": "Lambda counts them",
    "Database": "RDS measures it",
    "Database: latency in s, and free disk in bytes": "RDS measures it",
}
"""Panels of the dashboard that have nothing to show here, and why."""

Cell = str | int | float | None


@dataclass(frozen=True)
class Panel:
    """A chart, and in a table what it shows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    chart: Markup | None = None
    series: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    """What the chart draws over time, by the name that its row begins with."""
    note: str = ""

    @property
    def place(self) -> str:
        """Name the panel within its page."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title).lower().split())


class CachePage:
    """Looks at both stores and at the log; all who watch see the same."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._walk = Walk()
        self._page = Page(b"")
        self._looked_at = self._asked_at = -math.inf

    def made(self) -> Page | None:
        """Return the page if it is fresh, and note that somebody watches."""
        self._asked_at = time.monotonic()
        return self._page if self._asked_at - self._looked_at < FRESH_SECONDS else None

    def watched(self) -> bool:
        """Tell whether somebody asked for the page lately."""
        return time.monotonic() - self._asked_at < WATCHED_SECONDS

    def look(self) -> Page:
        """Make the page."""
        self._page = Page(self._html())
        self._looked_at = time.monotonic()
        return self._page

    def _html(self) -> bytes:
        self._tally.catch_up()
        nodes: list[Node] = []
        cache_away = database_away = ""
        waiting = None
        try:
            nodes = self._walk.look()
        except CacheAwayError as exc:
            cache_away = why(exc)
        try:
            waiting = outbox()
        except DATABASE_AWAY as exc:
            database_away = why(exc)
        return rendered(
            "cache",
            panels=[
                *panels_of_checks(self._tally),
                *self._panels_of_entries(nodes, cache_away),
                *panels_of_refresh(self._tally, waiting, database_away),
                *panels_of_nodes(nodes, cache_away),
            ],
            times=self._tally.times(),
            counted=_counted(self._tally),
            cache_away=cache_away,
            database_away=database_away,
            only_in_aws=ONLY_IN_AWS,
        )

    def _panels_of_entries(self, nodes: Sequence[Node], away: str) -> list[Panel]:
        seen = self._walk.last
        entries = seen.kinds["documents"]
        each = f", {seen.size // seen.kinds.total():,} bytes each" if seen.kinds.total() else ""
        note = f"Walked through in {self._walk.seconds:.2f} s{each}." if nodes else f"Redis does not answer: {away}."
        ends = f"{entries} entries by the hours they have left"
        spans = [(f"{hour} to {hour + 1}", count) for hour, count in enumerate(seen.hours) if count]
        return [
            Panel("Entries, leases and markers", ["kind", "now"], [*_kinds(seen.kinds)], note=note),
            Panel(
                "Remaining life of entries, in hours",
                ["hours left", "entries"],
                spans or [("none", 0)],
                charts.bars(seen.hours, ends, first="0 h", last=f"{HOURS} h"),
            ),
        ]


def panels_of_checks(tally: Tally) -> list[Panel]:
    """Return what is counted and measured of requests."""
    hits, misses, bypasses = tally.counts("hit", "miss", "bypass")
    asked = hits + misses + bypasses
    of_checks = {"hits": _shares(tally.series("hit"), tally.series("miss"), tally.series("bypass"))}
    kinds = {f"{kind}, p50": tally.percentiles(kind, 50) for kind in ("hit", "miss", "bypass")}
    functions = {f"{name}, p99": tally.percentiles(name, 99) for name in (CHECK, LOAN)}
    lent, declined, unavailable = tally.counts("LoanApproved", "LoanDeclined", "CacheUnavailable")
    classes = {name: tally.series(name) for name in ("2xx", "4xx", "5xx")}
    reasons = tally.reasons()
    named = ["approved", *[reason.value for reason in ReasonCode]]
    return [
        Panel(
            "Cache hits of checks, percent",
            ["", "checks", "percent"],
            [
                (name, count, f"{100 * count / asked:.1f}" if asked else "-")
                for name, count in (("hits", hits), ("misses", misses), ("bypasses", bypasses))
            ],
            _lines(tally, of_checks, "Percent of checks that hit", most=100),
            of_checks,
        ),
        Panel(
            "Check latency by hit, miss and bypass, p50 in ms",
            ["", "p50", "p99"],
            [(f"{kind}, p50", *_percentiles(tally, kind)) for kind in ("hit", "miss", "bypass")],
            _lines(tally, kinds, "Milliseconds of the median hit, miss and bypass"),
            kinds,
        ),
        Panel(
            "Function latency, p99 in ms",
            ["", "p50", "p99"],
            [(f"{name}, p99", *_percentiles(tally, name)) for name in (CHECK, LOAN)],
            _lines(tally, functions, "Milliseconds of the slowest of a hundred calls of each function"),
            functions,
        ),
        _counted_panel(tally, "Decisions", {"LoanApproved": lent, "LoanDeclined": declined}),
        Panel("Decisions by reason", ["reason", "checks and loans"], [(name, reasons[name]) for name in named]),
        Panel(
            "Responses",
            ["", "count"],
            [(name, sum(values)) for name, values in classes.items()],
            _lines(tally, classes, "Responses by status"),
            classes,
        ),
        _counted_panel(tally, "Cache unavailable", {"CacheUnavailable": unavailable}),
    ]


def panels_of_refresh(tally: Tally, waiting: OutboxNow | None, away: str) -> list[Panel]:
    """Return what the refresh does, and what waits for it."""
    names = {"swept": "InvalidationsSwept", "warmed": "ScoresWarmed", "inspected": "ScoresInspected"}
    at, last = tally.last_refresh or (None, None)
    ended = "none yet" if at is None else clock(at)
    oldest: Sequence[tuple[str, Cell]] = [("outbox", f"away: {away}")]
    if waiting is not None:
        oldest = [
            ("never swept", waiting.never_swept),
            ("oldest of them, s", waiting.oldest_seconds),
            ("wait for the second pass", waiting.swept_once),
        ]
    wrong, inspected = tally.counts("CacheMismatch", "ScoresInspected")
    bound = f"{1e6 * (3 + wrong + 1.7 * wrong**0.5) / inspected:,.0f}" if inspected else "-"
    found = f"{1e6 * wrong / inspected:,.0f}" if inspected else "-"
    return [
        Panel(
            "Refresh: entries swept, warmed and inspected",
            ["", "15 minutes", f"last run ({ended})"],
            [(name, *tally.counts(metric), "-" if last is None else last[metric]) for name, metric in names.items()],
            note="A run sweeps and warms every second, inspects once, and says what it did after a minute.",
        ),
        Panel(
            "Oldest invalidation in s, and wrong scores found",
            ["outbox", "now"],
            [*oldest, ("wrong scores found in 15 minutes", wrong)],
        ),
        Panel(
            "Wrong entries in a million inspected: found, and at most (95 %)",
            ["", "15 minutes"],
            [("inspected", inspected), ("found in a million", found), ("at most", bound)],
        ),
    ]


def panels_of_nodes(nodes: Sequence[Node], away: str) -> list[Panel]:
    """Return what each node says of its memory."""
    if not nodes:
        silent = [(f"Redis does not answer: {away}",)]
        return [Panel(title, ["node"], silent) for title in ("Cache", "Cache: evictions and connections")]
    return [
        Panel(
            "Cache",
            ["node", "core, %", "memory, MiB", "limit, MiB", "when it is full"],
            [_memory(node) for node in nodes],
        ),
        Panel(
            "Cache: evictions and connections",
            ["node", "evicted", "expired", "connections"],
            [
                (
                    node.place,
                    *[node.told.get(key, "-") for key in ("evicted_keys", "expired_keys", "connected_clients")],
                )
                for node in nodes
            ],
        ),
    ]


def _memory(node: Node) -> tuple[Cell, ...]:
    if node.obstacle:
        return (node.place, "-", "-", "-", f"away: {node.obstacle}")
    used, limit = (int(node.told.get(key, 0)) for key in ("used_memory", "maxmemory"))
    cpu = "-" if node.cpu_pct is None else f"{node.cpu_pct:.0f}"
    full = node.told.get("maxmemory_policy", "-")
    return (node.place, cpu, f"{used / 2**20:.1f}", f"{limit / 2**20:.0f}" if limit else "none", full)


def _kinds(kinds: Mapping[str, int]) -> list[tuple[str, int]]:
    of = {"documents": "entries with a document", "leases": "leases", "markers": "markers", "others": "anything else"}
    return [(words, kinds[kind]) for kind, words in of.items()]


def _shares(part: Sequence[int], *others: Sequence[int]) -> list[float | None]:
    return [100 * mine / sum(all_) if sum(all_) else None for mine, *all_ in zip(part, part, *others, strict=True)]


def _counted_panel(tally: Tally, title: str, counted: Mapping[str, int]) -> Panel:
    series = {name: tally.series(name) for name in counted}
    return Panel(title, ["", "count"], [*counted.items()], _lines(tally, series, f"{title}, over time"), series)


def _lines(tally: Tally, series: Mapping[str, Sequence[float | None]], label: str, most: float | None = None) -> Markup:
    return charts.lines(series, f"{label}, over 15 minutes", times=tally.times(), most=most)


def _percentiles(tally: Tally, kind: str) -> list[str]:
    found = [tally.percentile(kind, percent) for percent in (50, 99)]
    return ["-" if value is None else f"{value:.2f}" for value in found]


def _counted(tally: Tally) -> str:
    if tally.obstacle:
        return f"Nothing is counted. {tally.obstacle}"
    since = max(tally.since, time.time() - BUCKETS * SECONDS_OF_A_BUCKET)
    if since > time.time():
        return "The functions have written nothing yet."
    return f"Counted since {clock(since)}, 15 minutes at most."
