"""The API as `make run` serves it, for a test of its own, and a client that also sends malformed requests."""

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]

START_SECONDS = 60
STOP_SECONDS = 20
# Longer than the functions may run. A longer wait is a bug.
TIMEOUT_SECONDS = 15


class HttpRequest(NamedTuple):
    """A request as it goes on the wire. Host and the body's framing are added."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    chunked: bool
    """Whether the body goes in chunks, without its length."""


@contextmanager
def served(stores: Mapping[str, str], folder: Path, *, sample: bool = True) -> Iterator[str]:
    """Serve the API, with the sample, on these stores (variables DB_* and REDIS_*) and yield its address."""
    environment = {
        **os.environ,
        **stores,
        "SAMPLE": "1" if sample else "0",
        "PORT": "0",
        "LAMBDA_LOG": str(folder / "lambda.log"),
    }
    command = [sys.executable, "-m", "local.run"]
    # A file, not a pipe: the server writes a line per request, and nobody would read the pipe.
    log = folder / "served.log"
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT) as server,
    ):
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            finally:
                server.kill()


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until the server prints its address."""
    give_up = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        if ready := re.search(r"^Ready on (http://[\w.:]+\w)", log.read_text(encoding="utf-8"), re.MULTILINE):
            return ready[1]
        time.sleep(0.05)
    raise RuntimeError(f"The API did not start:\n{log.read_text(encoding='utf-8')}")


def send(address: str, request: HttpRequest) -> dict[str, Any]:
    """Send a request on its own connection; return the response in the form of a handler's response."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.putrequest(request.method, request.target, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value.encode("latin-1"))
        if request.chunked:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders([request.body], encode_chunked=True)
        elif request.body:
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
        else:
            connection.endheaders()
        answer = connection.getresponse()
        return {"statusCode": answer.status, "headers": dict(answer.headers), "body": answer.read().decode("utf-8")}
    finally:
        connection.close()
