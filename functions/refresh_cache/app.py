"""The scheduled function that keeps the score cache."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from lending import wiring
from lending.observability import logger, metrics
from lending.use_cases.refresh_cache import CacheRefresh, RefreshReport


def lambda_handler(_event: object, context: Any) -> dict[str, int]:
    """Sweep, warm and inspect; return what was done.

    Raises:
        Exception: What kept a step from its end, after the others have run and all is reported.
    """
    report = CacheRefresh(
        outbox=wiring.outbox(),
        store=wiring.loan_store(),
        keeper=wiring.cache_keeper(),
        today=wiring.today(),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    ).run()
    for mismatch in report.mismatches:
        # A broken promise. Whose, and of which day; the amounts are nobody's business in a log.
        profile = mismatch.profile
        about = {"customer_id": profile.customer_id, "credit_score": profile.credit_score, "as_of": str(profile.as_of)}
        logger.error("A cached profile was not what the store says", extra=about)
    for failure in report.failures:
        logger.error("A step of the refresh failed", exc_info=failure)
    _count(report)
    if report.failures:
        raise report.failures[0]
    return {
        "swept": report.swept,
        "oldest_seconds": report.oldest_seconds,
        "warmed": report.warmed,
        "inspected": report.inspected,
        "mismatches": len(report.mismatches),
    }


def _count(report: RefreshReport) -> None:
    metrics.add_metric("InvalidationsSwept", MetricUnit.Count, report.swept)
    metrics.add_metric("OldestInvalidationSeconds", MetricUnit.Seconds, report.oldest_seconds)
    metrics.add_metric("ScoresWarmed", MetricUnit.Count, report.warmed)
    metrics.add_metric("ScoresInspected", MetricUnit.Count, report.inspected)
    metrics.add_metric("CacheMismatch", MetricUnit.Count, len(report.mismatches))
    metrics.flush_metrics()
