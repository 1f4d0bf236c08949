"""Computes an alarm's states from data points, as CloudWatch's user guide says that it evaluates alarms.

Source: "Using Amazon CloudWatch alarms", "Evaluating an alarm" and "Configuring how alarms treat missing data"; "Using
metric math": "Missing values in a time series are treated as 0". Only what the template's alarms use is there.
CloudWatch looks at more periods than it needs, so that it can prefer real data points to missing ones; how many more it
does not tell, and its examples show two.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.template.concrete import Concrete

Series = Mapping[int, float]
"""Values by minute. A minute that is not there has no data point."""
Key = tuple[str, str, str]
"""Namespace, name and dimensions of a metric, as text."""

MORE_PERIODS = 2
BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def key(metric: Mapping[str, Any]) -> Key:
    """Return what tells a metric from every other in a stack."""
    dimensions = sorted((each["Name"], str(each["Value"])) for each in metric["Dimensions"])
    return str(metric["Namespace"]), metric["MetricName"], str(dimensions)


def rings(stack: Concrete, alarm: str, data: Mapping[Key, Series], minutes: int) -> Iterator[int]:
    """Yield the minutes at whose end an alarm is in ALARM.

    Args:
        stack: The stack.
        alarm: The alarm's name in the template.
        data: The sums of each metric, by minute from 0 on.
        minutes: How many minutes pass.
    """
    properties = stack.resources[alarm]["Properties"]
    needed = properties["EvaluationPeriods"]
    wanted = properties.get("DatapointsToAlarm", needed)
    breaches = BREACHES[properties["ComparisonOperator"]]
    step, series = _watched(properties, data)
    for end in range(step * needed, minutes + 1, step):  # before, there is nothing to look back on
        newest_first = [series.get(end // step - 1 - ago) for ago in range(needed + MORE_PERIODS)]
        real = [value for value in newest_first if value is not None]
        if len(real) >= needed:
            bad = [breaches(value, properties["Threshold"]) for value in real[:needed]]
        else:
            missing = {"breaching": True, "notBreaching": False}[properties["TreatMissingData"]]
            bad = [breaches(value, properties["Threshold"]) for value in real] + [missing] * (needed - len(real))
        if sum(bad) >= wanted:
            yield end


def _watched(properties: Mapping[str, Any], data: Mapping[Key, Series]) -> tuple[int, Series]:
    """Return the period in minutes, and the value that the alarm compares for each period."""
    if "Metrics" not in properties:
        step = properties["Period"] // 60
        return step, _by_period(data.get(key(properties), {}), step)
    [expression] = [each["Expression"] for each in properties["Metrics"] if each.get("ReturnData", True)]
    stats = {each["Id"]: each["MetricStat"] for each in properties["Metrics"] if "MetricStat" in each}
    [step] = {stat["Period"] // 60 for stat in stats.values()}
    series = {name: _by_period(data.get(key(stat["Metric"]), {}), step) for name, stat in stats.items()}
    periods = {period for each in series.values() for period in each}
    return step, {period: value for period in periods if (value := _computed(expression, series, period)) is not None}


def _by_period(by_minute: Series, step: int) -> Series:
    summed: dict[int, float] = {}
    for minute, value in by_minute.items():
        summed[minute // step] = summed.get(minute // step, 0) + value
    return summed


def _computed(expression: str, series: Mapping[str, Series], period: int) -> float | None:
    """Return an expression's value; a missing value counts as 0, and where zero divides there is none."""
    try:
        return float(eval(expression, {}, {name: each.get(period, 0) for name, each in series.items()}))  # noqa: S307 - the template's own
    except ZeroDivisionError:
        return None
