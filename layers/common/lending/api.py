"""What all operations of the API share: the shape of a handler, errors as answers, one line of metrics a request."""

import json
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from lending.caller import Event
from lending.observability import logger, write_metrics
from lending.ports import BypassReason
from lending.responses import SERVER_ERROR, Response, cache_status, render_error
from lending.use_cases.cache_use import CacheOutcome, CacheUse

METRIC_OF = {
    CacheOutcome.HIT: "CacheHit",
    CacheOutcome.MISS: "CacheMiss",
    CacheOutcome.BYPASS: "CacheBypass",
}

FAILURES = {BypassReason.UNAVAILABLE, BypassReason.MISCONFIGURED}
"""The cache was asked and failed; an open breaker does not ask."""


class Call:
    """One request: what came in, and what its line of metrics says."""

    def __init__(self, event: Event, context: Any) -> None:
        self.event = event
        self.request_id: str = context.aws_request_id
        self.milliseconds_left: Callable[[], int] = context.get_remaining_time_in_millis
        """Tells how long the function may still run."""
        self.cache_use = CacheUse()
        self._started_at = time.perf_counter()
        self._record = ""
        self._counted: list[str] = []

    def count(self, metric: str) -> None:
        """Count the request under a metric."""
        self._counted.append(metric)

    def note(self, record: str) -> None:
        """Take down the record of what was decided."""
        self._record = record

    def write_metrics(self, status: int) -> None:
        """Write the request's one line of metrics (CloudWatch EMF), with what tells it apart as metadata."""
        outcome = self.cache_use.outcome
        if outcome in METRIC_OF:
            self.count(METRIC_OF[outcome])
        if self.cache_use.bypass in FAILURES or self.cache_use.unconfirmed:
            self.count("CacheUnavailable")
        measured: dict[str, float] = dict.fromkeys(self._counted, 1)
        measured["Latency"] = round((time.perf_counter() - self._started_at) * 1000, 3)
        gateway_request_id = self.event.get("requestContext", {}).get("requestId")
        members = (
            f'"request_id":{json.dumps(self.request_id)},"gateway_request_id":{json.dumps(gateway_request_id)},'
            f'"status":{status}'
        )
        if self._record:
            cache = "null" if outcome is None else f'"{outcome.value}"'
            members += f',"cache":{cache},{self._record}'
        write_metrics(measured, members, server_error=status >= SERVER_ERROR)


Operation = Callable[[Call], Response]
Handler = Callable[[Event, Any], Response]


def api_operation(operation: Operation) -> Handler:
    """Make a Lambda handler of an operation: whatever it raises becomes an answer, and every request is counted."""

    @wraps(operation)
    def handler(event: Event, context: Any) -> Response:
        call = Call(event, context)
        try:
            response = operation(call)
        except Exception as exc:
            response = render_error(exc)
            _log(exc, response["statusCode"], call.request_id)
        status = cache_status(call.cache_use)
        if status is not None:
            response["headers"]["cache-status"] = status
        call.write_metrics(response["statusCode"])
        return response

    return handler


def _log(exc: Exception, status: int, request_id: str) -> None:
    """Log an error: with its traceback when something is broken, in a line when the caller is wrong."""
    if status >= SERVER_ERROR:
        logger.error(str(exc), exc_info=exc, extra={"request_id": request_id})
    else:
        logger.info("Refused", extra={"request_id": request_id, "status": status, "error": type(exc).__name__})
