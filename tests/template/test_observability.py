"""Alarms and the dashboard use metrics that exist. One with a misspelt metric or dimension would stay silent."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.template import ROOT, functions
from tests.template.concrete import Concrete

# Source: the user guides of the services, "metrics and dimensions". REST APIs have 5XXError and ApiName instead.
HTTP_API_METRICS = {"4xx", "5xx", "Count", "DataProcessed", "IntegrationLatency", "Latency"}
OURS = "Lending/${AWS::StackName}"
DIMENSIONS: dict[str, tuple[set[str], ...]] = {
    "AWS/ApiGateway": ({"ApiId", "Stage"},),
    "AWS/Lambda": ({"FunctionName"}, {"FunctionName", "Resource", "ExecutedVersion"}),
    "AWS/Firehose": ({"DeliveryStreamName"},),
    "AWS/RDS": ({"DBInstanceIdentifier"},),
    OURS: ({"service"}, {"service", "version"}),
}
# Source: ElastiCache's user guide, "Metrics for Valkey and Redis OSS", "Auto Scaling" (those of all primaries) and
# "Serverless metrics"; the dimension of the last from the AWS CDK's library.
CACHE_DIMENSIONS = {
    "CurrConnections": [{"CacheClusterId"}, {"ServerlessCacheName"}],
    "DatabaseMemoryUsagePercentage": [{"CacheClusterId"}],
    "DatabaseMemoryUsageCountedForEvictPercentage": [{"ReplicationGroupId"}],
    "EngineCPUUtilization": [{"CacheClusterId"}, {"ReplicationGroupId", "Role"}],
    "Evictions": [{"CacheClusterId"}, {"ServerlessCacheName"}],
    "BytesUsedForCache": [{"ServerlessCacheName"}],
    "ElastiCacheProcessingUnits": [{"ServerlessCacheName"}],
    "ThrottledCmds": [{"ServerlessCacheName"}],
}
METRICS = {
    "AWS/Firehose": {"DeliveryToS3.DataFreshness"},
    "AWS/ApiGateway": HTTP_API_METRICS,
    "AWS/Lambda": {"ConcurrentExecutions", "Errors", "Invocations", "Throttles"},
    "AWS/RDS": {"CPUUtilization", "DatabaseConnections", "FreeStorageSpace", "ReadLatency", "WriteLatency"},
}
SERVICES = {each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for each in functions().values()}
PROMISED = {
    ("AWS/ApiGateway", "5xx"),
    ("AWS/ApiGateway", "Count"),
    ("AWS/ApiGateway", "Latency"),
    ("AWS/Firehose", "DeliveryToS3.DataFreshness"),
    ("AWS/Lambda", "Errors"),
    ("AWS/Lambda", "Invocations"),
    ("AWS/Lambda", "Throttles"),
    (OURS, "CacheMismatch"),
    (OURS, "CacheUnavailable"),
    (OURS, "OldestInvalidationSeconds"),
    (OURS, "ServerErrors"),
    ("AWS/RDS", "CPUUtilization"),
    ("AWS/RDS", "DatabaseConnections"),
    ("AWS/RDS", "FreeStorageSpace"),
    ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage"),
    ("AWS/ElastiCache", "EngineCPUUtilization"),
}

Metric = tuple[str, str, dict[str, Any]]


def metrics_of_alarms(stack: Concrete) -> Iterator[Metric]:
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        measured = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        for metric in measured or [alarm]:
            dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            namespace = metric["Namespace"]
            yield namespace["Fn::Sub"] if isinstance(namespace, dict) else namespace, metric["MetricName"], dimensions


def widgets(stack: Concrete) -> list[dict[str, Any]]:
    body = stack.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    text, given = (body, {}) if isinstance(body, str) else body
    for name, value in given.items():
        filled = value["Fn::Sub"] if set(value) == {"Fn::Sub"} else str(value)
        text = text.replace("${" + name + "}", filled)
    return list(json.loads(text)["widgets"])


def metrics_of_dashboard(stack: Concrete) -> Iterator[Metric]:
    for widget in widgets(stack):
        for row in widget["properties"].get("metrics", []):
            names = [each for each in row if isinstance(each, str)]
            if names:  # else it is computed from the others
                yield names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True))


def metrics_in_code() -> set[str]:
    """Return the metrics that the functions write."""
    sources = [*Path(ROOT / "layers/common/lending").rglob("*.py"), *Path(ROOT / "functions").rglob("*.py")]
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    return set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)*)"', text))


def assert_exists(metric: Metric) -> None:
    namespace, name, dimensions = metric
    if namespace == "AWS/ElastiCache":
        assert set(dimensions) in CACHE_DIMENSIONS[name], metric
        return
    assert set(dimensions) in DIMENSIONS[namespace], metric
    assert name in (metrics_in_code() if namespace == OURS else METRICS[namespace]), metric
    if namespace == OURS:
        assert dimensions["service"] in SERVICES, metric


def test_alarms_look_at_metrics_that_exist(stack: Concrete) -> None:
    for metric in metrics_of_alarms(stack):
        assert_exists(metric)


def test_the_dashboard_shows_metrics_that_exist(stack: Concrete) -> None:
    for metric in metrics_of_dashboard(stack):
        assert_exists(metric)


def test_what_was_promised_is_alarmed(stacks: dict[str, Concrete]) -> None:
    assert {(namespace, name) for namespace, name, _ in metrics_of_alarms(stacks["prod"])} == PROMISED


def test_both_nodes_of_the_cache_are_watched(stacks: dict[str, Concrete]) -> None:
    """Either node may be the primary: a failover swaps their roles, but not their names."""

    def watched(stack: str) -> set[str]:
        metrics = [*metrics_of_alarms(stacks[stack])]
        return {str(dimensions) for _, name, dimensions in metrics if name == "EngineCPUUtilization"}

    assert len(watched("dev")) == 1
    assert len(watched("prod")) == 2
    shown = metrics_of_dashboard(stacks["prod"])
    assert len({str(dimensions) for namespace, _, dimensions in shown if namespace == "AWS/ElastiCache"}) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cache cluster", {"DatabaseMemoryUsageCountedForEvictPercentage", "EngineCPUUtilization"}),
        ("serverless cache", {"BytesUsedForCache", "ThrottledCmds"}),
    ],
)
def test_a_cluster_and_a_serverless_cache_are_watched_and_shown(
    name: str, expected: set[str], stacks: dict[str, Concrete]
) -> None:
    alarmed = {metric for space, metric, _ in metrics_of_alarms(stacks[name]) if space == "AWS/ElastiCache"}
    shown = {metric for space, metric, _ in metrics_of_dashboard(stacks[name]) if space == "AWS/ElastiCache"}
    searched = re.findall(r'MetricName="(\w+)"', str(widgets(stacks[name])))

    assert alarmed == expected
    assert expected <= shown
    assert {"Evictions", "CurrConnections"} <= shown | set(searched)
    assert set(searched) <= set(CACHE_DIMENSIONS)


def test_brought_stores_have_alarms_of_their_own_elsewhere(stacks: dict[str, Concrete]) -> None:
    namespaces = {namespace for namespace, _, _ in metrics_of_alarms(stacks["own everything"])}

    assert namespaces == {"AWS/ApiGateway", "AWS/Lambda", OURS}


def test_every_alarm_notifies_when_it_begins_and_when_it_ends(stack: Concrete) -> None:
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]
        assert alarm["AlarmDescription"]


def test_a_silent_refresh_rings_too(stack: Concrete) -> None:
    """A schedule that does not run writes no metric at all."""
    for name in ("OldestInvalidationAlarm", "RefreshCacheRunsAlarm"):
        assert stack.resources[name]["Properties"]["TreatMissingData"] == "breaching"


def test_a_schedule_that_stands_still_rings_after_five_minutes(stack: Concrete) -> None:
    runs = stack.resources["RefreshCacheRunsAlarm"]["Properties"]

    assert runs["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "RefreshCacheFunction"}}]
    assert (runs["Period"], runs["EvaluationPeriods"], runs.get("DatapointsToAlarm", 5)) == (60, 5, 5)
    assert runs["EvaluationPeriods"] * 60 > 2 * functions()["RefreshCacheFunction"]["Timeout"], (
        "or its own runs ring it"
    )
    for text in (runs["AlarmDescription"], (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")):
        assert re.search(r"No run (of the refresh )?has begun for five minutes", text)


def test_every_function_of_the_sweep_is_watched_for_throttles(stack: Concrete) -> None:
    watched = {
        alarm["Dimensions"][0]["Value"]["Ref"]
        for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "Throttles"
    }

    assert watched == {"CheckEligibilityFunction", "CreateLoanFunction", "RefreshCacheFunction"}


def bound(wrong: int, inspected: int, stack: Concrete) -> float:
    """Return what the dashboard says is the most that is likely, in a million."""
    [widget] = [each for each in widgets(stack) if "Wrong entries" in each["properties"]["title"]]
    [_, [expression], *_] = widget["properties"]["metrics"]
    assert set(re.findall(r"[a-zA-Z]+", expression["expression"])) == {"k", "n"}
    return float(eval(expression["expression"].replace("^", "**"), {"k": wrong, "n": inspected}))  # noqa: S307 - our own


def chance_of_so_few(wrong: int, expected: float) -> float:
    return math.exp(-expected) * sum(expected**k / math.factorial(k) for k in range(wrong + 1))


@pytest.mark.parametrize("wrong", [0, 1, 2, 3, 5, 10, 50, 100])
def test_the_published_bound_holds_in_95_of_100(wrong: int, stacks: dict[str, Concrete]) -> None:
    """Were the rate at the bound, so few would be found at most 1 time in 20 (Poisson)."""
    expected = bound(wrong, 1_000_000, stacks["dev"])

    assert chance_of_so_few(wrong, expected) <= 0.05
    if wrong == 0:
        assert bound(0, 72_000, stacks["dev"]) == pytest.approx(1_000_000 / 24_000), "3 / N"


def test_the_dashboard_overlaps_nowhere_and_shows_hits_apart_from_misses(stack: Concrete) -> None:
    places = [(each["x"], each["y"]) for each in widgets(stack)]
    [log] = [each["properties"]["query"] for each in widgets(stack) if each["type"] == "log"]

    assert len(set(places)) == len(places)
    assert {x % 8 for x, _ in places} == {0}
    assert all(each["width"] == 8 for each in widgets(stack))
    assert {"CacheHit", "CacheMiss", "CacheBypass", "Latency"} <= set(re.findall(r"\b([A-Z][A-Za-z]+)\.0", log))


def test_access_logs_are_json_without_anything_personal(stack: Concrete) -> None:
    entry = json.loads(stack.resources["ApiStage"]["Properties"]["AccessLogSettings"]["Format"])

    assert {"requestId", "route", "status", "latencyMs"} <= set(entry)
    assert not [value for value in entry.values() if "sourceIp" in value or "userAgent" in value]
