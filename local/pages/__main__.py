"""Serves the pages on a socket that is handed over: `python -m local.pages FILE_DESCRIPTOR WORKERS`.

A process of its own, which the front asks: its connections, its breaker and its time are not the service's.
"""

import logging
import os
import socket
import sys
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.pages.site import Site

POLL_SECONDS = 0.5


class Handler(BaseHTTPRequestHandler):
    """Answers the front."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a page."""
        with _made_once:
            site = _site()
        page = site.page(self.path, self.headers.get("host", ""))
        self.send_response(page.status)
        for name, value in page.headers().items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *_: object) -> None:
        """Say nothing: nobody reads the log for the pages."""


_made_once = Lock()


@cache
def _site() -> "Site":
    """Make the site when it is first asked for: most runs are never looked at."""
    from local.pages.site import Site  # noqa: PLC0415
    from local.pages.stores import use_own_patience  # noqa: PLC0415

    use_own_patience()
    # One worker is left to the API. A single one is not: a page would never come.
    site = Site(Path(os.environ["LAMBDA_LOG"]), places=max(1, int(sys.argv[2]) - 1))
    Thread(target=site.keep_fresh, args=(Event(),), daemon=True).start()
    return site


class Pages(ThreadingHTTPServer):
    """On a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


def main() -> None:
    """Serve until the process that started this one is gone."""
    starter = os.getppid()
    pages = Pages(socket.socket(fileno=int(sys.argv[1])))
    Thread(target=pages.serve_forever, daemon=True).start()
    try:
        while os.getppid() == starter:
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    main()
