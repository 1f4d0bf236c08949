"""How much the contract tests generate."""

import os

from hypothesis import HealthCheck, settings

# `CONTRACT_EXAMPLES=10000 pytest tests/contract` looks longer. Slow generation tells of a busy machine, not of a fault.
THOROUGHLY = settings(
    max_examples=int(os.environ.get("CONTRACT_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
