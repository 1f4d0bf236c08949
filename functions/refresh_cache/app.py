"""The scheduled function that refreshes the score cache."""

from typing import Any

from lending import wiring
from lending.observability import logger, write_metrics
from lending.use_cases.refresh_cache import CacheRefresh, RefreshReport


def lambda_handler(_event: object, context: Any) -> dict[str, int]:
    """Sweep and warm until the time is over, and inspect; return what was done.

    Raises:
        Exception: What kept a step from its end when it was last tried, after all is reported.
    """
    report = CacheRefresh(
        outbox=wiring.outbox(),
        store=wiring.loan_store(),
        cache=wiring.bulk_score_cache(),
        today=wiring.today,
        day_in=wiring.day_in,
        policy_of=wiring.policy_of,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    ).run(wiring.pause_between_sweeps)
    for mismatch in report.mismatches:
        # The score was wrong. The log gets the customer and the day, but no amounts.
        profile = mismatch.profile
        about = {"customer_id": profile.customer_id, "credit_score": profile.credit_score, "as_of": str(profile.as_of)}
        logger.error("A cached profile was not what the store says", extra=about)
    for step, failure in report.failures.items():
        logger.error("A step of the refresh failed", exc_info=failure, extra={"step": step})
    _count(report)
    if report.failures:
        raise next(iter(report.failures.values()))
    return {
        "swept": report.swept,
        "oldest_seconds": report.oldest_seconds or 0,
        "warmed": report.warmed,
        "inspected": report.inspected,
        "mismatches": len(report.mismatches),
    }


def _count(report: RefreshReport) -> None:
    measured: dict[str, float] = {
        "InvalidationsSwept": report.swept,
        "ScoresWarmed": report.warmed,
        "ScoresInspected": report.inspected,
        "CacheMismatch": len(report.mismatches),
    }
    if report.oldest_seconds is not None:
        measured["OldestInvalidationSeconds"] = report.oldest_seconds
    write_metrics(measured, f'"failures":{len(report.failures)}')
