"""Asks the configured database and cache whether they are fit: a line for each check, and what to do.

It reads DB_* and REDIS_* as the functions do. What it changes it takes back: a trial loan is rolled back, and the cache
is asked about a customer who does not exist.

The exit status is that of the worst: 0 fit, or as far as this account may see; 1 a warning; 2 a failure.
"""

import logging
import sys
from collections.abc import Iterator

from db.findings import Finding, Verdict
from doctor.cache import examine_cache
from doctor.database import examine_database
from doctor.examination import Result
from lending import wiring
from lending.config import InvalidSettingError, Settings
from lending.observability import logger

EXIT_STATUS = {Verdict.OK: 0, Verdict.UNKNOWN: 0, Verdict.WARNING: 1, Verdict.FAILED: 2}


def examine(settings: Settings) -> Iterator[Result]:
    """Yield what every check finds."""
    yield from examine_database(settings)
    yield from examine_cache(settings)


def line(result: Result) -> str:
    """Return one check as a line."""
    check, (verdict, found, to_do) = result
    return f"{verdict.name.lower():<8} {check:<24} {found}{f'  ->  {to_do}' if to_do else ''}"


def main() -> int:
    """Print each check as it is carried out; return the exit status."""
    logger.setLevel(logging.CRITICAL)  # what the adapters would log is what the lines say
    worst = Verdict.OK
    try:
        wiring.settings()
    except InvalidSettingError as exc:
        print(line(Result("settings", Finding(Verdict.FAILED, str(exc), "see README, Configuration"))))
        return EXIT_STATUS[Verdict.FAILED]
    try:
        for result in examine(wiring.settings()):
            print(line(result), flush=True)
            worst = max(worst, result.finding.verdict)
    finally:
        wiring.close()
    return EXIT_STATUS[worst]


if __name__ == "__main__":
    sys.exit(main())
