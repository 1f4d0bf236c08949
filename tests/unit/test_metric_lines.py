"""The line of metrics is the one that Powertools would write."""

import json
import time
from typing import Any

import pytest

from lending import observability


@pytest.mark.parametrize(
    "measured",
    [
        {"CacheHit": 1, "Latency": 1.25},
        {"Latency": 7.0},
        {"OldestInvalidationSeconds": 3, "CacheMismatch": 0},
    ],
)
def test_a_line_is_what_powertools_would_write(measured: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    metadata = {"request_id": "r", "approved": True, "figures": {"loans": 3}}
    before = int(time.time() * 1000)

    for _ in range(2):
        observability.write_metrics(measured, json.dumps(metadata)[1:-1])

    units = {"Latency": "Milliseconds", "OldestInvalidationSeconds": "Seconds"}
    metric_set = {name: {"Unit": units.get(name, "Count"), "Value": [value]} for name, value in measured.items()}
    expected: dict[str, Any] = dict(observability._metrics.serialize_metric_set(metric_set, metadata=metadata))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(before <= line["_aws"].pop("Timestamp") <= time.time() * 1000 for line in lines)
    del expected["_aws"]["Timestamp"]
    assert lines == [expected, expected]
