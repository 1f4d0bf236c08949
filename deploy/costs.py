"""Calculates what the stages of samconfig.toml cost, from deploy/prices.toml: `make costs` writes docs/costs.md.

What runs all the time costs by the month, what decides by the million. The sizes are the stages' own; how long a
decision takes and what it logs are allowances, stated below.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

from deploy.stages import ROOT, Stage, stage, template

PAGE = ROOT / "docs/costs.md"
STAGES = ("try", "dev", "prod")
HOURS = 730
DATABASE_GB = 20
ZONES = 2
MEMORY_GB = 0.5
SNAPSHOTS = 2 * 2
"""Versions of the API's functions that are kept: the newest of each, and the one before for as long as a deployment."""
OUR_METRICS = 21
"""Six of either API function and of its newest version, two of loans, five of the refresh, and one to spare."""
PROXY_VCPUS = 2
MILLION = 1_000_000

# Of a decision. A hit takes a millisecond or two of half a gigabyte's third of a core, a miss and a loan wait for the
# database: this allows for a mixture, with cold starts. The log has the record, the gateway's line and Lambda's three.
DECISION_SECONDS = 0.015
DECISION_LOG_BYTES = 2600
RECORD_BYTES = 1700  # of the log's
TRACED = 0.05
PACKED = 0.1
"""What gzip leaves of records."""

HEAD = """# What it costs

Calculated by `make costs` from the list prices of {region} of {date} (`deploy/prices.toml`) and the sizes in
`samconfig.toml`. It has no taxes, free tiers, discounts or traffic to other regions in it, and nobody has compared it
with a bill.

| $ a month | {titles} |
|---|{lines}|
"""
PER_DECISION = """
Beside that, a million decisions cost **{total:.2f} $**:

| | $ a million |
|---|---|
"""
TAIL = """
The archive (`ArchiveRecords`) adds {stream:.2f} $ a million decisions to write, and {year:.3f} $ for each year.

Where it can be saved: `SweepSeconds=60` takes the refresh to less than a dollar, and changes by other systems are seen
within a minute instead of two seconds. A NAT gateway, which the stack does not have, would cost more than its network.
"""


def by_month(the_stage: Stage, prices: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what a stage costs a month before its first request."""
    hour, month = prices["hour"], prices["month"]
    nodes = 2 if the_stage.is_prod else 1
    yield "database", nodes * (HOURS * hour[the_stage["DbInstanceClass"]] + DATABASE_GB * month["database_gb"])
    yield "cache", nodes * HOURS * hour[the_stage["CacheNodeType"]]
    yield "endpoint of Secrets Manager, in two zones", ZONES * HOURS * hour["endpoint_in_a_zone"]
    proxy = PROXY_VCPUS * HOURS * hour["proxy_vcpu"] if the_stage["UseDbProxy"] == "true" else 0
    yield "RDS Proxy", proxy
    yield "the refresh", _refresh(the_stage, prices)
    snapshots = SNAPSHOTS * MEMORY_GB * HOURS * 3600 * prices["gb_second"]["snapshot"]
    yield "SnapStart's snapshots", snapshots if the_stage["SnapStart"] != "None" else 0
    watched = sum(_metrics(alarm) for alarm in _alarms(the_stage)) * month["alarm_metric"]
    yield "alarms, metrics and the dashboard", watched + OUR_METRICS * month["custom_metric"] + month["dashboard"]
    yield "key and secret", month["key"] + month["secret"]


def by_decision(the_stage: Stage, prices: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what a million decisions cost a stage."""
    million = prices["million"]
    yield "API Gateway", million["api_requests"]
    seconds = MILLION * DECISION_SECONDS * MEMORY_GB * prices["gb_second"][the_stage["Architecture"]]
    yield "Lambda", million["lambda_requests"] + seconds
    yield "logs", MILLION * DECISION_LOG_BYTES / 1e9 * prices["gb"]["logs"]
    yield "traces", TRACED * million["traces"]


def page() -> str:
    """Return docs/costs.md."""
    prices = tomllib.loads((ROOT / "deploy/prices.toml").read_text(encoding="utf-8"))
    stages = {name: stage(name) for name in STAGES}
    months = {name: dict(by_month(each, prices)) for name, each in stages.items()}
    rows = [
        *((what, [months[name][what] for name in STAGES]) for what in months[STAGES[0]]),
        ("**together**", [sum(months[name].values()) for name in STAGES]),
    ]
    decision = dict(by_decision(stages["prod"], prices))
    record_gb = MILLION * RECORD_BYTES / 1e9
    return "".join(
        [
            HEAD.format(**prices, titles=" | ".join(STAGES), lines="|".join("---" for _ in STAGES)),
            *(f"| {what} | {' | '.join(f'{cost:.0f}' for cost in costs)} |\n" for what, costs in rows),
            PER_DECISION.format(total=sum(decision.values())),
            *(f"| {what} | {cost:.2f} |\n" for what, cost in decision.items()),
            TAIL.format(
                stream=record_gb * prices["gb"]["archive_stream"],
                year=record_gb * PACKED * prices["gb"]["archive_year"],
            ),
        ]
    )


def _refresh(the_stage: Stage, prices: dict[str, Any]) -> float:
    """Two runs at any time; swept once a minute, some two seconds of one."""
    at_work = 2.0 if the_stage["SweepSeconds"] != "60" else 2 / 60
    return at_work * MEMORY_GB * HOURS * 3600 * float(prices["gb_second"][the_stage["Architecture"]])


def _alarms(the_stage: Stage) -> Iterator[dict[str, Any]]:
    """Yield the alarms of a stack that makes its own database and cache."""
    without = {"CreatesCacheCluster", "CreatesServerlessCache", "CreatesProxy", "ArchivesRecords"}
    without |= set() if the_stage.is_prod else {"IsProd", "CreatesStandbyCache"}
    for resource in template()["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm" and resource.get("Condition") not in without:
            yield resource["Properties"]


def _metrics(alarm: dict[str, Any]) -> int:
    return len([each for each in alarm.get("Metrics", []) if "MetricStat" in each]) or 1


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    main()
