"""What all operations of the API share: the shape of a handler, errors as answers, one metrics line a request."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from lending.observability import logger, metrics
from lending.requests import Event
from lending.responses import SERVER_ERROR, Response, cache_status, render_error
from lending.use_cases.cache_use import CacheOutcome, CacheUse

METRIC_OF = {
    CacheOutcome.HIT: "CacheHit",
    CacheOutcome.MISS: "CacheMiss",
    CacheOutcome.BYPASS: "CacheBypass",
}

Operation = Callable[[Event, CacheUse], Response]
Handler = Callable[[Event, Any], Response]


def api_operation(operation: Operation) -> Handler:
    """Make a Lambda handler of an operation: whatever it raises becomes an answer, and every request is counted."""

    @wraps(operation)
    def handler(event: Event, context: Any) -> Response:
        started_at = time.perf_counter()
        cache_use = CacheUse()
        request_id = context.aws_request_id
        try:
            response = operation(event, cache_use)
        except Exception as exc:
            response = render_error(exc)
            _log(exc, response["statusCode"], request_id)
        status = cache_status(cache_use)
        if status is not None:
            response["headers"]["cache-status"] = status
        _count(cache_use, response["statusCode"], request_id, time.perf_counter() - started_at)
        return response

    return handler


def _log(exc: Exception, status: int, request_id: str) -> None:
    """Log an error: with its traceback when something is broken, in a line when the caller is wrong."""
    if status >= SERVER_ERROR:
        logger.error(str(exc), exc_info=exc, extra={"request_id": request_id})
    else:
        logger.info("Refused", extra={"request_id": request_id, "status": status, "error": type(exc).__name__})


def _count(cache_use: CacheUse, status: int, request_id: str, seconds: float) -> None:
    """Write the request's one line of metrics (CloudWatch EMF), with what tells it apart as metadata."""
    if cache_use.outcome in METRIC_OF:
        metrics.add_metric(METRIC_OF[cache_use.outcome], MetricUnit.Count, 1)
    metrics.add_metric("Latency", MetricUnit.Milliseconds, round(seconds * 1000, 3))
    metrics.add_metadata("request_id", request_id)
    metrics.add_metadata("status", status)
    metrics.flush_metrics()
