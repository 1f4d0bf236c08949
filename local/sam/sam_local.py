"""Runs the built functions in `sam local` on every sample event, and says whether each response is right.

    make sam-local      build, then `sam local invoke` and `sam local start-api` against real servers

Needs Docker. The servers are those that DB_* and REDIS_* name; an empty database gets the schema and the sample
portfolio.
"""

import base64
import http.client
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lending.config import Settings
from local.run import prepare_database
from local.sam.container_access import start_relay, write_sam_environment
from local.sam.sample_events import SAMPLE_EVENTS, SampleEvent
from local.sam.secrets_manager import start_secrets_manager, with_secret
from local.servers.server import accepts_connections

SAM = ".local/sam/bin/sam"
HOST = "127.0.0.1"
PORT = 3001
START_TIMEOUT_SECONDS = 60
RESPONSE_TIMEOUT_SECONDS = 60
"""Most of this is the start of a container. The first one also builds an image."""


class Response(NamedTuple):
    """A response of the API."""

    status: int
    cache_status: str | None
    body: str

    def fits(self, sample: SampleEvent) -> bool:
        """Print the response; return whether it is right, and whether Redis was within reach if it was asked."""
        print(f"{sample.name}: {self.status} [{self.cache_status or 'cache not asked'}] {self.body}", flush=True)
        return self.status in sample.statuses and "bypass" not in (self.cache_status or "")


class SamLocal:
    """The commands of `sam local`, with the options that this machine needs."""

    def __init__(self, environment_file: Path) -> None:
        """Take the file that tells the functions where the servers are."""
        # The layer is the same for both architectures. The machine's own needs no emulation.
        architecture = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
        self._options = [
            *("--env-vars", str(environment_file)),
            *("--parameter-overrides", f"Architecture={architecture}"),
        ]

    def invoke(self, sample: SampleEvent) -> Response:
        """Return the response of a fresh container to an event."""
        command = [SAM, "local", "invoke", sample.function, "--event", str(sample.path), *self._options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RESPONSE_TIMEOUT_SECONDS, check=False)
        if done.returncode != 0:
            sys.exit(f"sam_local: `{' '.join(command)}` failed:\n{done.stderr}")
        returned = json.loads(done.stdout.splitlines()[-1])
        return Response(returned["statusCode"], returned["headers"].get("cache-status"), returned["body"])

    @contextmanager
    def api(self) -> Iterator[None]:
        """Serve the API at HOST and PORT while the block runs."""
        with tempfile.TemporaryFile() as log:
            command = [SAM, "local", "start-api", "--host", HOST, "--port", str(PORT), *self._options]
            server = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                deadline = time.monotonic() + START_TIMEOUT_SECONDS
                while not accepts_connections(HOST, PORT):
                    if server.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        sys.exit(f"sam_local: `{' '.join(command)}` does not serve:\n{log.read().decode()}")
                    time.sleep(0.2)
                yield
            finally:
                server.terminate()
                server.wait()


def request(sample: SampleEvent) -> Response:
    """Return the response of the served API to an event's request."""
    event = sample.load()
    connection = http.client.HTTPConnection(HOST, PORT, timeout=RESPONSE_TIMEOUT_SECONDS)
    headers = {name: value for name, value in event["headers"].items() if name == "content-type"}
    connection.request(event["requestContext"]["http"]["method"], event["rawPath"], _body(event), headers)
    received = connection.getresponse()
    response = Response(received.status, received.headers.get("cache-status"), received.read().decode())
    connection.close()
    return response


def main() -> None:
    """Run all sample events both ways; exit with 1 if any response is wrong."""
    if shutil.which("docker") is None:
        sys.exit("sam_local: Docker is not installed; `make run` serves the API without it.")
    prepare_database(Settings.from_env(os.environ), with_sample=os.environ.get("SAMPLE") == "1")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment_file = folder / "sam-env.json"
        # The login comes from a secret, as in a stack.
        secrets = stack.enter_context(start_secrets_manager(folder / "secrets"))
        environment = with_secret(os.environ, secrets, "lending/database")
        write_sam_environment(environment, environment_file)
        relay = start_relay(environment, folder / "relay")
        if relay is not None:
            stack.callback(relay.stop)
        sam_local = SamLocal(environment_file)

        print("sam local invoke", flush=True)
        wrong = [sample.name for sample in SAMPLE_EVENTS if not sam_local.invoke(sample).fits(sample)]
        print("sam local start-api", flush=True)
        with sam_local.api():
            wrong += [sample.name for sample in SAMPLE_EVENTS if not request(sample).fits(sample)]
    if wrong:
        sys.exit(f"sam_local: answered wrongly: {', '.join(wrong)}")
    print("All events were answered as they should be.")


def _body(event: dict[str, Any]) -> bytes | None:
    body = event.get("body")
    if body is None:
        return None
    return base64.b64decode(body) if event["isBase64Encoded"] else str(body).encode()


if __name__ == "__main__":
    main()
