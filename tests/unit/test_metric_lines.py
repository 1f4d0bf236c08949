"""The line of metrics is the one that Powertools would write."""

import json
import time
from typing import Any

import pytest

from lending import observability


@pytest.mark.parametrize(
    "measured",
    [
        {"CacheHit": ("Count", 1), "Latency": ("Milliseconds", 1.25)},
        {"Latency": ("Milliseconds", 7.0)},
        {"OldestInvalidationSeconds": ("Seconds", 3), "CacheMismatch": ("Count", 0)},
    ],
)
def test_a_line_is_what_powertools_would_write(
    measured: dict[str, tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = {"request_id": "r", "approved": True, "figures": {"loans": 3}}
    before = int(time.time() * 1000)

    for _ in range(2):
        observability.write_metrics(measured, metadata)

    metric_set = {name: {"Unit": unit, "Value": [value]} for name, (unit, value) in measured.items()}
    expected: dict[str, Any] = dict(observability._metrics.serialize_metric_set(metric_set, metadata=metadata))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(before <= line["_aws"].pop("Timestamp") <= time.time() * 1000 for line in lines)
    del expected["_aws"]["Timestamp"]
    assert lines == [expected, expected]
