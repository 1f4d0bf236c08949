"""The log and the metrics of the service: one logger, one line of metrics a request, nothing personal in either.

POWERTOOLS_SERVICE_NAME names the function in both, POWERTOOLS_METRICS_NAMESPACE the stack in the metrics; LOG_LEVEL
sets what is logged.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics

logger = Logger()

UNITS = {"Latency": "Milliseconds", "OldestInvalidationSeconds": "Seconds"}
"""Of the metrics that count nothing."""

_namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "Lending"
_metrics = Metrics(namespace=_namespace)
VERSION = json.dumps(os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"))
"""Of the function, as JSON has it."""
_BY_VERSION = {
    "Namespace": _namespace,
    "Dimensions": [["service"], ["service", "version"]],  # a canary's errors beside everybody's
    "Metrics": [{"Name": "ServerErrors", "Unit": "Count"}],
}
_encode = json.JSONEncoder(separators=(",", ":")).encode


def write_metrics(measured: Mapping[str, float], members: str, *, server_error: bool | None = None) -> None:
    """Write one line of metrics in CloudWatch's embedded metric format.

    Args:
        measured: Value of each metric, by its name.
        members: What tells this line apart when it is read as a log: members of a JSON object, without its braces.
        server_error: Whether a request was answered with 5xx, where the line is a request's.
    """
    before, after = _head(tuple(measured), by_version=server_error is not None)
    values = "".join([f'"{name}":[{value}],' for name, value in measured.items()])
    if server_error is not None:
        values += f'"ServerErrors":[{server_error:d}],"version":{VERSION},'
    # The whole line in one write: print() would make two of it.
    sys.stdout.write(f"{before}{int(time.time() * 1000)}{after},{values}{members}}}\n")


@cache
def _head(names: tuple[str, ...], *, by_version: bool) -> tuple[str, str]:
    """Return what stands before and behind the time in each line of these metrics.

    Powertools makes it, once: it takes as long as all the rest of the line.
    """
    metric_set = {name: {"Unit": UNITS.get(name, "Count"), "Value": [0.0]} for name in names}
    line: dict[str, Any] = dict(_metrics.serialize_metric_set(metric_set))
    for name in names:
        del line[name]
    if by_version:
        line["_aws"]["CloudWatchMetrics"].append(_BY_VERSION)
    before, after = json.dumps(line, separators=(",", ":")).split(f"{line['_aws']['Timestamp']}")
    return before, after.removesuffix("}")
