"""One POST /create-loan, the first of its environment, from the event to COMMIT: which files it leads through.

    python -m benchmarks.walk

A reader who follows the request changes the file wherever the printed list does.
"""

import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.requests import create_event, new_key
from functions.create_loan import app
from local.front.lambda_context import LambdaContext

HERE = Path(__file__).resolve().parents[1]
OURS = tuple(str(HERE / folder) for folder in ("functions", "layers/common/lending"))
BORROWER = 1


class Walk:
    """Takes down the file of each call of our own until COMMIT."""

    def __init__(self) -> None:
        self._files: list[str] = []

    def see(self, frame: FrameType, event: str, _: Any) -> None:
        """Take down one call; for sys.setprofile()."""
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS):
            self._files.append(Path(code.co_filename).name)
            if code.co_qualname == "MySQLConnection.commit":
                sys.setprofile(None)

    def stretches(self) -> list[str]:
        """Return the files in order, one for each change."""
        return [file for file, _ in groupby(self._files)]


def walk() -> None:
    """Lend once and print the way."""
    taken = Walk()
    sys.setprofile(taken.see)
    response = app.lambda_handler(create_event(BORROWER, new_key()), LambdaContext("walk"))
    sys.setprofile(None)
    stretches = taken.stretches()
    print(*stretches)
    print(f"{response['statusCode']}: {len(stretches)} stretches in {len(set(stretches))} files")


def main() -> None:
    """Walk in a process that has imported what an environment imports, and nothing more."""
    if "DB_HOST" in os.environ:
        walk()
        return
    from benchmarks.stores import private_stores  # noqa: PLC0415 - with it comes the database's adapter

    with private_stores() as stores:
        stores.add_customers([(BORROWER, 10)])
        subprocess.run([sys.executable, "-m", "benchmarks.walk"], env=os.environ | stores.environment, check=True)


if __name__ == "__main__":
    main()
