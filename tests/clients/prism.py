"""Puts Prism between clients and the served API, where it refuses whatever breaks the contract, requests and responses.

    python -m local.servers exec -- python -m tests.clients.prism --requests 10000

prints how many requests came to what, and those on which Prism and the service are not of one mind.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lending.requests import TOO_SMALL
from testkit.database import own_database
from testkit.served import HttpRequest, send, served
from tests.clients.__main__ import CONTRACT, ENVIRONMENT, NODE_TOOLS
from tests.contract.bodies import nearly_valid_bodies, valid_bodies

VIOLATIONS = "https://stoplight.io/prism/errors#"
START_SECONDS = 60

requests = st.builds(
    HttpRequest,
    method=st.just("POST"),
    target=st.sampled_from(["/check-eligibility", "/create-loan"]),
    headers=st.lists(st.uuids(), max_size=1).map(
        lambda keys: [("Content-Type", "application/json"), *(("Idempotency-Key", str(key)) for key in keys)]
    ),
    body=(valid_bodies() | nearly_valid_bodies()).map(lambda body: body.encode()),
    chunked=st.just(value=False),
)


def main() -> None:
    """Send the requests; exit with 1 where Prism finds a response wrong, or refuses what the service would accept."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.prism", description="Try Prism as a proxy.")
    parser.add_argument("--requests", type=int, default=1000)
    number = parser.parse_args().requests
    stores = {name: value for name, value in os.environ.items() if name.startswith(("DB_", "REDIS_"))}
    counts: Counter[str] = Counter()
    with (
        own_database(stores, "prism") as database,
        tempfile.TemporaryDirectory() as folder,
        served(database.environment, Path(folder)) as address,
        prism(address, Path(folder) / "prism.log") as proxy,
    ):

        @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(request=requests)
        def compare(request: HttpRequest) -> None:
            counts[verdict(address, proxy, request)] += 1

        compare()
    for what, count in sorted(counts.items()):
        print(f"{count:7} {what}")
    sys.exit(any(what.startswith("WRONG") for what in counts))


def verdict(address: str, proxy: str, request: HttpRequest) -> str:
    """Return what Prism and the service say of a request, in words."""
    through = send(proxy, request)
    problem = json.loads(through["body"]) if through["body"] else {}
    if not str(problem.get("type", "")).startswith(VIOLATIONS):
        if through["statusCode"] == 422 and TOO_SMALL not in through["body"]:
            return "refused by the service for its decimals or what JSON it is, let through by Prism"
        return f"let through, answered {through['statusCode']}"
    places = {place["location"][0] for place in problem.get("validation", [])}
    if "response" in places or not places:
        return f"WRONG: a response breaks the contract: {through['body']} for {request}"
    direct = send(address, request)["statusCode"]
    if direct < 400:
        return f"WRONG: refused by Prism, {direct} from the service: {through['body']} for {request}"
    return "refused by both"


@contextmanager
def prism(address: str, log: Path) -> Iterator[str]:
    """Run the proxy; yield its address."""
    command = [NODE_TOOLS / "prism", "proxy", CONTRACT, address, "--errors", "--port", "0", "--host", "127.0.0.1"]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen([str(word) for word in command], env=ENVIRONMENT, stdout=output, stderr=output) as process,
    ):
        try:
            yield _listening(process, log)
        finally:
            process.terminate()


def _listening(process: "subprocess.Popen[bytes]", log: Path) -> str:
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        if found := re.search(r"listening on (http://[\d.]+:\d+)", log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"Prism did not start:\n{log.read_text(encoding='utf-8')}")


if __name__ == "__main__":
    main()
