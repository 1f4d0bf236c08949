"""Counts what the functions print: the lines of metrics in LAMBDA_LOG, from all workers and the refresh.

The file is written anyway, and read only while somebody looks: a page that is closed costs the service nothing.
"""

import json
import math
import stat
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

SECONDS_OF_A_BUCKET = 15
BUCKETS = 60
"""15 minutes."""
MOST_BYTES = 16 << 20
"""That are read at once. What a busy hour wrote before is passed over."""
CUSTOMERS, DECISIONS_OF_EACH = 5000, 8
WIDTH_OF_A_BIN = math.log(1.05)
"""Latencies are kept in bins of 5 %, so that a percentile of a million costs no more than one of ten."""

CACHE_METRICS = {"CacheHit": "hit", "CacheMiss": "miss", "CacheBypass": "bypass"}
CHECK, LOAN = "check-eligibility", "create-loan"

Line = dict[str, Any]


@dataclass
class Bucket:
    """What was counted in some seconds."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def merge(self, other: "Bucket") -> None:
        """Add what another has counted."""
        self.counts.update(other.counts)
        for of, latencies in other.latencies.items():
            self.latencies[of].update(latencies)


class Seen(NamedTuple):
    """A decision, as its line has it."""

    at: float
    lends: bool
    customer_id: int
    loan_amount: object
    interest_rate: object
    tenure: object
    approved: bool
    reason_codes: Sequence[str]
    corrected_interest_rate: object
    credit_score: object
    cache: object


class Tally:
    """The last 15 minutes."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._position = -1
        self._buckets: dict[int, Bucket] = {}
        self._decisions: OrderedDict[int, deque[Seen]] = OrderedDict()
        self.since = math.inf
        """From when on every line is counted."""
        self.last_refresh: tuple[float, Counter[str]] | None = None
        """When a run of the refresh has ended last, and what it counted."""
        self.obstacle = ""
        """Why nothing is counted."""

    def catch_up(self) -> None:
        """Read what was written since the last time."""
        try:
            state = self._log.stat()
            if not stat.S_ISREG(state.st_mode):
                self.obstacle = f"LAMBDA_LOG={self._log} is no file that could be read again."
                return
            if not 0 <= self._position <= state.st_size or state.st_size - self._position > MOST_BYTES:
                self._position, self.since = max(0, state.st_size - MOST_BYTES), math.inf
            with self._log.open("rb") as file:
                file.seek(self._position)
                text = file.read(MOST_BYTES)
        except OSError as exc:
            self.obstacle = f"LAMBDA_LOG={self._log}: {exc.strerror}."
            return
        self.obstacle = ""
        whole = text[: text.rfind(b"\n") + 1]  # a line that is still being written comes next time
        self._position += len(whole)
        for line in BytesIO(whole):
            if b'"_aws"' in line:
                self._add(line)
        oldest = self._now() - BUCKETS
        self._buckets = {number: bucket for number, bucket in self._buckets.items() if number > oldest}

    def counts(self, *names: str) -> list[int]:
        """Return how often each was counted in the 15 minutes."""
        return [sum(bucket.counts[name] for bucket in self._buckets.values()) for name in names]

    def reasons(self) -> Counter[str]:
        """Return how often each reason was given."""
        found: Counter[str] = Counter()
        for bucket in self._buckets.values():
            found.update({k.removeprefix("reason:"): n for k, n in bucket.counts.items() if k.startswith("reason:")})
        return found

    def series(self, name: str) -> list[int]:
        """Return how often it was counted in each bucket, the newest last."""
        return [bucket.counts[name] for bucket in self._in_order()]

    def percentile(self, of: str, percent: int) -> float | None:
        """Return a percentile of what was measured in the 15 minutes, in ms."""
        merged: Counter[int] = Counter()
        for bucket in self._buckets.values():
            merged.update(bucket.latencies[of])
        return percentile(merged, percent)

    def percentiles(self, of: str, percent: int) -> list[float | None]:
        """Return the same for each bucket."""
        return [percentile(bucket.latencies[of], percent) for bucket in self._in_order()]

    def times(self) -> list[str]:
        """Return when each bucket began."""
        first = self._now() - BUCKETS + 1
        starts = [(first + number) * SECONDS_OF_A_BUCKET for number in range(BUCKETS)]
        return [clock(start) for start in starts]

    def decisions(self, customer_id: int) -> Sequence[Seen]:
        """Return the last decisions on a customer, the newest first."""
        return list(reversed(self._decisions.get(customer_id, ())))

    def _add(self, text: bytes) -> None:
        now, counted = time.time(), Bucket()
        try:
            line = json.loads(text)
            at = line["_aws"]["Timestamp"] / 1000
            if not 0 <= at <= now + SECONDS_OF_A_BUCKET:
                return
            decision = _count(line, at, counted)
        except Exception:  # noqa: BLE001 - two processes wrote at once, or somebody else, who may write anything
            return
        self.since = min(self.since, at)
        self._buckets.setdefault(int(at // SECONDS_OF_A_BUCKET), Bucket()).merge(counted)
        if "InvalidationsSwept" in counted.counts:
            self.last_refresh = at, counted.counts
        if decision is not None:
            self._note(decision)

    def _note(self, decision: Seen) -> None:
        of_customer = self._decisions.setdefault(decision.customer_id, deque(maxlen=DECISIONS_OF_EACH))
        of_customer.append(decision)
        self._decisions.move_to_end(decision.customer_id)
        if len(self._decisions) > CUSTOMERS:
            self._decisions.popitem(last=False)

    def _in_order(self) -> list[Bucket]:
        last = self._now()
        return [self._buckets.get(number, Bucket()) for number in range(last - BUCKETS + 1, last + 1)]

    @staticmethod
    def _now() -> int:
        return int(time.time() // SECONDS_OF_A_BUCKET)


def _count(line: Line, at: float, into: Bucket) -> Seen | None:
    """Count a line, and return the decision that it tells of.

    Raises:
        Exception: It is not one of ours.
    """
    for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
        if metric["Unit"] == "Count":
            into.counts[metric["Name"]] += int(line[metric["Name"]][0])
    if "status" not in line:
        return None
    # Here one process has both functions, and one name in the lines. What lends says what became of it, except where
    # it was refused.
    lends = bool(line.get("first_request_id")) or "LoanApproved" in line or "LoanDeclined" in line
    into.counts[f"{int(line['status']) // 100}xx"] += 1
    kinds = [LOAN if lends else CHECK]
    if not lends:
        kinds += [kind for metric, kind in CACHE_METRICS.items() if metric in line]
        into.counts.update(kinds[1:])
    place = round(math.log(max(line["Latency"][0], 0.001)) / WIDTH_OF_A_BIN)
    for kind in kinds:
        into.latencies[kind][place] += 1
    is_replay = lends and not {"LoanApproved", "LoanDeclined"} & line.keys()
    if "approved" not in line or is_replay:
        return None
    reasons = [str(reason) for reason in line["reason_codes"]]
    into.counts.update([f"reason:{reason}" for reason in reasons or ["approved"]])
    told = {name: line[name] for name in Seen._fields[3:]} | {"reason_codes": reasons}
    return Seen(at, lends, int(line["customer_id"]), **told)


def percentile(bins: Counter[int], percent: int) -> float | None:
    """Return a percentile of what lies in bins, None where there is nothing."""
    left = math.ceil(bins.total() * percent / 100)
    for place in sorted(bins):
        left -= bins[place]
        if left <= 0:
            return math.exp(place * WIDTH_OF_A_BIN)
    return None


def clock(seconds: float) -> str:
    """Return the time of day of a moment, in seconds since 1970."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))
