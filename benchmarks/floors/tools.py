"""The minimum for a hit with Powertools' Logger and Metrics, used as their documentation shows."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from benchmarks.floors import bare

logger = Logger()
metrics = Metrics(namespace="Floor")


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Do the same as `bare`, log a line and count a hit."""
    response = bare.lambda_handler(event, context)
    logger.info("Checked")
    metrics.add_metric(name="CacheHit", unit=MetricUnit.Count, value=1)
    return response
