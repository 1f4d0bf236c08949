"""A version that fails every request rings at any traffic, and a healthy one does not; no stack rings for another."""

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.template.alarm_states import Key, Series, key, rings
from tests.template.concrete import Concrete
from tests.template.scenarios import SCENARIOS

RATES = [2, 20, 200]
"""Requests a minute."""
MINUTES = 30
FUNCTIONS = {"CheckEligibility": "check-eligibility", "CreateLoan": "create-loan"}
BEGINS = 10
"""The minute in which the new version comes."""
FAR_TOO_LATE = 5
"""Minutes: a canary gets all the traffic after so many."""


class Traffic:
    """Requests to a stack of which some fail, and the data points that CloudWatch has of them."""

    def __init__(self, stack: Concrete, function: str) -> None:
        self._stack = stack
        self.data: dict[Key, dict[int, float]] = {}
        alarms = {name: stack.resources[name]["Properties"]["Metrics"] for name in watching(function)}
        self._metrics = {  # no two alarms share a metric
            name: [
                (each["MetricStat"]["Metric"]["MetricName"], key(each["MetricStat"]["Metric"])) for each in metrics[1:]
            ]
            for name, metrics in alarms.items()
        }

    def request(self, minute: int, *, fails: bool, crashes: bool = False, new: bool = True) -> None:
        """Let a request happen that is answered with 5xx if it fails, by the function or, if that crashes, for it."""
        counted = {"5xx": fails or crashes, "Count": True, "Errors": crashes, "Invocations": True}
        if not crashes:  # what crashes writes no metric
            counted["ServerErrors"] = fails
        for alarm, metrics in self._metrics.items():
            if new or not alarm.endswith("CanaryAlarm"):
                for name, metric in metrics:
                    if name in counted:
                        series = self.data.setdefault(metric, {})
                        series[minute] = series.get(minute, 0) + counted[name]

    def first_ring(self, alarm: str) -> int | None:
        """Return how many minutes after the new version an alarm rings first."""
        data: dict[Key, Series] = {**self.data}
        return next((minute - BEGINS for minute in rings(self._stack, alarm, data, MINUTES)), None)


def evenly(rate: float, minute: int) -> int:
    return int(rate * (minute + 1)) - int(rate * minute)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_version_that_has_never_answered_rings(function: str, stacks: dict[str, Concrete]) -> None:
    """It crashes from its first call on, so the functions' own metric does not exist."""
    traffic = Traffic(stacks["prod"], function)
    for minute in range(BEGINS, MINUTES):
        traffic.request(minute, fails=True, crashes=True)

    assert traffic.first_ring(f"{function}ErrorsAlarm") == 2
    assert traffic.first_ring(f"{function}CanaryAlarm") == 2
    expressions = re.findall(r"'Expression': '([^']+)'", str(stacks["prod"].of_type("AWS::CloudWatch::Alarm")))
    assert [each for each in expressions if "FILL" in each] == [], "of a metric without any value it makes nothing"


@pytest.mark.parametrize("late", [0, 2, 4])
def test_runs_that_have_not_ended_yet_do_not_ring_and_a_schedule_that_stands_still_does(
    late: int, stacks: dict[str, Concrete]
) -> None:
    """Lambda tells of a run when it has ended, after two minutes, in the minute of its begin."""
    stack = stacks["prod"]
    metric = key(stack.resources["RefreshCacheRunsAlarm"]["Properties"])

    def first(last: int) -> int | None:
        """Return the first minute that rings where the last run begins in one."""
        for now in range(BEGINS, MINUTES):
            begun = dict.fromkeys(range(min(last + 1, now - late)), 1)
            if now in rings(stack, "RefreshCacheRunsAlarm", {metric: begun}, now):
                return now
        return None

    assert first(last=MINUTES) is None
    assert BEGINS + 5 < (first(last=BEGINS) or 0) <= BEGINS + 8


def at_random(rng: random.Random) -> Callable[[float, int], int]:
    """Arrivals as of callers who know nothing of each other."""

    def arrivals(rate: float, _minute: int) -> int:
        after, count = rng.expovariate(rate), 0
        while after < 1:
            after, count = after + rng.expovariate(rate), count + 1
        return count

    return arrivals


@pytest.mark.parametrize("crashes", [False, True], ids=["it answers 500", "it crashes"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("rate", RATES)
def test_a_version_that_fails_every_request_rings(
    *, rate: int, function: str, crashes: bool, stacks: dict[str, Concrete]
) -> None:
    traffic = Traffic(stacks["prod"], function)
    for minute in range(MINUTES):
        for _ in range(evenly(rate, minute)):
            broken = minute >= BEGINS
            traffic.request(minute, fails=broken, crashes=broken and crashes)

    assert traffic.first_ring("ServerErrorsAlarm") == 2
    assert traffic.first_ring(f"{function}ErrorsAlarm") == 2
    assert traffic.first_ring(f"{function}CanaryAlarm") == 2


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("rate", [20, 200])
def test_a_canary_that_fails_rings_before_it_gets_the_rest(
    rate: int, function: str, stacks: dict[str, Concrete]
) -> None:
    """At 2 requests a minute a canary sees one in five minutes, of which no alarm can tell a stray error."""
    traffic = Traffic(stacks["prod"], function)
    for minute in range(MINUTES):
        for number in range(evenly(rate, minute)):
            new = minute >= BEGINS and number % 10 == 0
            traffic.request(minute, fails=new, new=new)

    ring = traffic.first_ring(f"{function}CanaryAlarm")

    assert ring is not None
    assert ring < FAR_TOO_LATE


def test_a_canary_of_one_operation_rings_whatever_the_other_one_gets(stacks: dict[str, Concrete]) -> None:
    """With a hundred checks for each loan, the API's own share of errors stays below any threshold."""
    traffic = Traffic(stacks["prod"], "CreateLoan")
    others = Traffic(stacks["prod"], "CheckEligibility")
    others.data = traffic.data
    for minute in range(MINUTES):
        for _ in range(1000):
            others.request(minute, fails=False, new=False)
        for number in range(10):
            new = minute >= BEGINS and number == 0
            traffic.request(minute, fails=new, new=new)

    assert traffic.first_ring("ServerErrorsAlarm") is None
    assert traffic.first_ring("CreateLoanErrorsAlarm") == 2
    assert traffic.first_ring("CreateLoanCanaryAlarm") == 2


@pytest.mark.parametrize("rate", RATES)
def test_a_single_stray_error_rings_at_no_traffic(rate: int, stacks: dict[str, Concrete]) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        arrivals, traffic = at_random(rng), Traffic(stacks["prod"], "CreateLoan")
        stray = BEGINS
        for minute in range(MINUTES):
            for _ in range(arrivals(rate, minute)):
                fails = minute >= stray
                stray = MINUTES if fails else stray
                traffic.request(minute, fails=fails)

        assert [traffic.first_ring(alarm) for alarm in watching("CreateLoan")] == [None] * 3


@pytest.mark.parametrize("rate", RATES)
def test_arrivals_at_random_ring_as_well(rate: int, stacks: dict[str, Concrete]) -> None:
    for seed in range(20):
        arrivals, traffic = at_random(random.Random(seed)), Traffic(stacks["prod"], "CreateLoan")
        for minute in range(MINUTES):
            for _ in range(arrivals(rate, minute)):
                traffic.request(minute, fails=minute >= BEGINS)

        assert all((traffic.first_ring(alarm) or 99) <= FAR_TOO_LATE for alarm in watching("CreateLoan"))


def watching(function: str) -> list[str]:
    return ["ServerErrorsAlarm", f"{function}ErrorsAlarm", f"{function}CanaryAlarm"]


def test_a_live_function_that_is_unfit_rings_without_any_traffic_at_all(stacks: dict[str, Concrete]) -> None:
    stack = stacks["prod"]
    metric = key(stack.resources["ProbeAlarm"]["Properties"])
    probed = range(0, MINUTES, 5)

    def first(errors: Series) -> int | None:
        return next(rings(stack, "ProbeAlarm", {metric: errors}, MINUTES), None)

    assert first(dict.fromkeys(probed, 0)) is None
    assert first(dict.fromkeys(probed, 0) | {10: 1}) is None, "one failure, and well again"
    assert first({minute: float(minute >= BEGINS) for minute in probed}) == BEGINS + 10
    assert first({0: 0, 5: 0}) is not None, "no probe ran any more"


def metrics(stack: Concrete, name: str) -> Iterator[str]:
    """Yield what the alarms of a stack of this name watch, with the names that its resources have."""

    def named(value: Any) -> Any:
        text = json.dumps(value, sort_keys=True).replace("AWS::StackName", name)
        for resource in stack.resources:
            text = text.replace(f'"{resource}"', f'"{name}-{resource}"').replace(
                f"${{{resource}", f"${{{name}-{resource}"
            )
        return text

    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        stats = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        for metric in stats or [alarm]:
            yield named({part: metric[part] for part in ("Namespace", "MetricName", "Dimensions")})


@pytest.mark.parametrize("scenario", ["dev", "prod with a proxy", "own everything"])
def test_two_stacks_have_no_metric_in_common(scenario: str, stacks: dict[str, Concrete]) -> None:
    assert scenario in SCENARIOS
    one, other = (set(metrics(stacks[scenario], name)) for name in ("lending-dev", "lending-prod"))

    assert len(one) == len(other) > 10
    assert one & other == set()
