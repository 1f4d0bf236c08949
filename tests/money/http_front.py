"""Serves the handlers of this process over HTTP, so that a test can be the client and change the wiring."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from wsgiref.simple_server import WSGIRequestHandler, make_server

from local.front.application import create_application
from testkit.proxy import HOST
from testkit.service import Answer

TIMEOUT_SECONDS = 15
"""Longer than the function may run."""


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, as the base class has it
        """Say nothing."""


class Client:
    """Posts over HTTP."""

    def __init__(self, port: int) -> None:
        """Take the address of the front."""
        self._port = port

    def create_loan(self, body: Mapping[str, object], key: str | None = None) -> Answer:
        """POST /create-loan."""
        headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/create-loan", json.dumps(body), headers)
            # The front reads to the end of the body. Its real server marks that end.
            connection.sock.shutdown(socket.SHUT_WR)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, json.loads(response.read(), parse_float=Decimal))
        finally:
            connection.close()


@contextmanager
def http_front() -> Iterator[Client]:
    """Serve the handlers as they are wired, one request at a time."""
    with make_server(HOST, 0, create_application(), handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Client(server.server_port)
        finally:
            server.shutdown()
            thread.join()
