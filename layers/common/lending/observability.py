"""The log and the metrics of the service: one logger, one line of metrics a request, nothing personal in either.

POWERTOOLS_SERVICE_NAME names the function in both, POWERTOOLS_METRICS_NAMESPACE the stack in the metrics; LOG_LEVEL
sets what is logged.
"""

import json
import os
from collections.abc import Mapping
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

    Handing all of them to Powertools' serializer at once takes half as long as adding them one by one and flushing.

    Args:
        measured: Unit and value of each metric, by its name.
        metadata: What tells this line apart when it is read as a log.
        server_error: Whether a request was answered with 5xx, where the line is a request's.
    """
    metric_set = {name: {"Unit": unit, "Value": [value]} for name, (unit, value) in measured.items()}
    line: Any = _metrics.serialize_metric_set(metric_set, metadata=dict(metadata))
    if server_error is not None:
        line["_aws"]["CloudWatchMetrics"].append(_BY_VERSION)
        line["ServerErrors"] = [int(server_error)]
        line["version"] = _version
    print(_encode(line))
