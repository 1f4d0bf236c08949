"""Two editions of the service against each other, in one run.

    python -m benchmarks.editions FOLDER [--rounds N] [--database-ms MS] [--cache-ms MS]

FOLDER is a checkout of the other one. Each is called in a process and on servers of its own; a round calls each request
of both once, in a new order. The milliseconds are added to every reply of the database or the cache, as a network does.
"""

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, cast

from benchmarks.interleaved import BLOCKS, Sample
from local.run import FUNCTION_ENVIRONMENT

HERE = Path(__file__).resolve().parents[1]
CALLER = Path(__file__).with_name("edition_caller.py").read_text(encoding="utf-8")
REQUESTS = ("hit", "miss", "loan")
WARM_UP_ROUNDS = 200


class Edition:
    """A checkout whose service is called on demand."""

    def __init__(self, folder: Path, delays: Sequence[str]) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("DB_", "REDIS_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", CALLER],
            cwd=folder,
            env=environment | FUNCTION_ENVIRONMENT | {"PYTHONPATH": f"{folder}:{folder / 'layers/common'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._requests, self._replies = cast("TextIO", self._process.stdin), cast("TextIO", self._process.stdout)
        self._proxies: list[subprocess.Popen[str]] = []
        for milliseconds in delays:
            port = self._replies.readline().strip()
            self._requests.write(f"{self._delayed(port, milliseconds) if float(milliseconds) else port}\n")

    def _delayed(self, port: str, milliseconds: str) -> str:
        proxy = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.delay", "127.0.0.1", port, milliseconds],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._proxies.append(proxy)
        return cast("TextIO", proxy.stdout).readline().strip()

    def nanoseconds(self, request: str) -> int | None:
        """Return how long one request took; None when it was answered otherwise than expected."""
        self._requests.write(f"{request}\n")
        reply = self._replies.readline().strip()
        return None if reply == "stray" else int(reply)

    def end(self) -> None:
        """Stop the process, its servers and the proxies before them."""
        for process in (self._process, *self._proxies):
            process.communicate()


def main() -> None:
    """Compare, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=2000, metavar="N")
    parser.add_argument("--database-ms", default="0", metavar="MS")
    parser.add_argument("--cache-ms", default="0", metavar="MS")
    options = parser.parse_args()
    delays = (options.database_ms, options.cache_ms)
    editions = {"now": Edition(HERE, delays), "other": Edition(options.folder.resolve(), delays)}
    order = [(name, request) for name in editions for request in REQUESTS]
    blocks: dict[tuple[str, str], list[list[int]]] = {key: [[] for _ in range(BLOCKS)] for key in order}
    strays = 0
    try:
        for number in range(-WARM_UP_ROUNDS, options.rounds):
            random.shuffle(order)
            for name, request in order:
                nanoseconds = editions[name].nanoseconds(request)
                if nanoseconds is None:
                    strays += 1
                elif number >= 0:
                    blocks[name, request][number * BLOCKS // options.rounds].append(nanoseconds)
    finally:
        for edition in editions.values():
            edition.end()
    for request in REQUESTS:
        now, other = Sample(blocks["now", request]), Sample(blocks["other", request])
        ratio = now.ratio_to(other)
        print(
            f"{request:5} {now.median_us:7.0f} us, the other {other.median_us:7.0f} us: "
            f"x {ratio.value:.3f} ({ratio.lowest:.3f} to {ratio.highest:.3f} in stretches of the run)"
        )
    print(f"{strays} calls were answered otherwise and left out.")


if __name__ == "__main__":
    main()
