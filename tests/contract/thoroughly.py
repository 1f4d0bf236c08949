"""Sets how much the contract tests generate."""

import os

from hypothesis import HealthCheck, settings

# `CONTRACT_EXAMPLES=10000 pytest tests/contract` looks longer. Slow generation is a sign of a busy machine only.
THOROUGHLY = settings(
    max_examples=int(os.environ.get("CONTRACT_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
