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

COUNT, MILLISECONDS, SECONDS = "Count", "Milliseconds", "Seconds"

_namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "Lending"
_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
_metrics = Metrics(namespace=_namespace)
_BY_VERSION = {
    "Namespace": _namespace,
    "Dimensions": [["service"], ["service", "version"]],  # a canary's errors beside everybody's
    "Metrics": [{"Name": "ServerErrors", "Unit": COUNT}],
}
_encode = json.JSONEncoder(separators=(",", ":")).encode


def write_metrics(
    measured: Mapping[str, tuple[str, float]], metadata: Mapping[str, object], *, server_error: bool | None = None
) -> None:
    """Write one line of metrics in CloudWatch's embedded metric format.

    Args:
        measured: Unit and value of each metric, by its name.
        metadata: What tells this line apart when it is read as a log.
        server_error: Whether a request was answered with 5xx, where the line is a request's.
    """
    request = server_error is not None
    before, after = _head(tuple((name, unit) for name, (unit, _) in measured.items()), by_version=request)
    values: dict[str, object] = {name: [value] for name, (_, value) in measured.items()}
    if request:
        values |= {"ServerErrors": [int(bool(server_error))], "version": _version}
    # The whole line in one write: print() would make two of it.
    sys.stdout.write(f"{before}{int(time.time() * 1000)}{after},{_encode({**values, **metadata})[1:]}\n")


@cache
def _head(units: tuple[tuple[str, str], ...], *, by_version: bool) -> tuple[str, str]:
    """Return what stands before and behind the time in each line of these metrics.

    Powertools makes it, once: it takes as long as all the rest of the line.
    """
    metric_set = {name: {"Unit": unit, "Value": [0.0]} for name, unit in units}
    line: dict[str, Any] = dict(_metrics.serialize_metric_set(metric_set))
    for name in metric_set:
        del line[name]
    if by_version:
        line["_aws"]["CloudWatchMetrics"].append(_BY_VERSION)
    before, after = _encode(line).split(f"{line['_aws']['Timestamp']}")
    return before, after.removesuffix("}")
