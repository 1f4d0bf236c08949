"""Runs refresh_cache as its schedule does in AWS: `python -m local.refresh`, once or, for `make run`, every minute."""

import argparse
import os
import sys
import time

from functions.refresh_cache.app import lambda_handler
from local.front.lambda_context import LambdaContext

TIMEOUT_SECONDS = 50
"""`Timeout` of the function in template.yaml."""
POLL_SECONDS = 0.5


def every(seconds: float) -> None:
    """Refresh again and again, until the process that started this one is gone."""
    starter = os.getppid()
    while os.getppid() == starter:
        due_at = time.monotonic() + seconds
        try:
            refresh()
        except Exception as exc:  # noqa: BLE001 - as in AWS, the next minute brings the next run
            print(f"refresh_cache failed: {exc}")
        while time.monotonic() < due_at and os.getppid() == starter:
            time.sleep(POLL_SECONDS)


def refresh() -> dict[str, int]:
    """Run the function once and return its report."""
    return lambda_handler({}, LambdaContext("refresh_cache", timeout_seconds=TIMEOUT_SECONDS))


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on until the starter ends")
    seconds = parser.parse_args().every
    try:
        if seconds is None:
            print(", ".join(f"{name} {count}" for name, count in refresh().items()))
        else:
            every(seconds)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
