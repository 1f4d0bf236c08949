"""Runs refresh_cache: `python -m local.refresh` sweeps once; for `make run` it goes on, as its schedule does in AWS."""

import argparse
import os
import sys
import time
from threading import Thread

from functions.refresh_cache.app import lambda_handler
from lending.config import MAX_SWEEP_SECONDS
from local.front.lambda_context import LambdaContext

TIMEOUT_SECONDS = 70
"""The function sweeps until ten seconds before its time is over: for a minute."""
POLL_SECONDS = 0.5


def go_on() -> None:
    """Refresh without a break, until the process that started this one is gone."""
    starter = os.getppid()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a file's: whoever reads it wants it now
    Thread(target=_again_and_again, daemon=True).start()
    while os.getppid() == starter:
        time.sleep(POLL_SECONDS)


def _again_and_again() -> None:
    while True:
        try:
            refresh()
        except Exception as exc:  # noqa: BLE001 - as in AWS, the next minute brings the next run
            print(f"refresh_cache failed: {exc}")
            time.sleep(POLL_SECONDS)


def refresh() -> dict[str, int]:
    """Run the function once and return its report."""
    return lambda_handler({}, LambdaContext("refresh_cache", timeout_seconds=TIMEOUT_SECONDS))


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--go-on", action="store_true", help="until the starter ends")
    options = parser.parse_args()
    try:
        if options.go_on:
            go_on()
        else:
            os.environ["SWEEP_SECONDS"] = str(MAX_SWEEP_SECONDS)
            print(", ".join(f"{name} {count}" for name, count in refresh().items()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
