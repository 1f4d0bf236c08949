"""Plays CloudFormation for a custom resource: sends a request in an event, and waits for the answer at a URL."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from db import custom_resource
from local.front.lambda_context import LambdaContext


@dataclass
class CloudFormation:
    """Waits at a signed URL."""

    url: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    refuse: int = 0
    """How many of the next answers it refuses."""

    def event(self, kind: str, settings: Sequence[str] = ()) -> dict[str, Any]:
        """Return a request of this kind, for functions with these settings."""
        return {
            "RequestType": kind,
            "ResponseURL": self.url,
            "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/lending/0a1b2c3d",
            "RequestId": "5f0c2d1e",
            "LogicalResourceId": "Schema",
            "ResourceType": "Custom::Schema",
            "ResourceProperties": {"Settings": list(settings)},
        }

    def request(
        self, kind: str = "Create", *, settings: Sequence[str] = (), context: LambdaContext | None = None
    ) -> dict[str, Any]:
        """Have the resource carry out a request in this process; return its answer."""
        context = context or LambdaContext("MigrateFunction", timeout_seconds=900)
        custom_resource.lambda_handler(self.event(kind, settings), context)
        return self.answers[-1]


@contextmanager
def cloudformation_waits() -> Iterator[CloudFormation]:
    """Listen for answers while the block runs."""
    waiting = CloudFormation()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            waiting.content_types.append(self.headers["content-type"])
            if waiting.refuse:
                waiting.refuse -= 1
                self.send_error(503)
                return
            waiting.answers.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        waiting.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield waiting
        finally:
            server.shutdown()
            thread.join()
