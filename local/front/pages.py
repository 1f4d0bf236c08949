"""Fetches the pages from their own process, so that looking at them takes nothing of a worker but the waiting."""

import os
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
PORT_VARIABLE = "LENDING_PAGES_PORT"
FOLDERS = ("docs", "openapi.json", "problems", "cache", "customers", "assets")
METHODS = {"GET", "HEAD"}
WAIT_SECONDS = 8
"""A page that reads two frozen stores takes some three, and a worker is killed after ten."""

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def is_page(method: str, path: str) -> bool:
    """Return whether a request is for a page; the contract has no GET."""
    return method in METHODS and (path == "/" or (path.split("/")[1:2] != [] and path.split("/")[1] in FOLDERS))


def with_pages(api: Application) -> Application:
    """Return an API with the pages beside it, where they are served."""
    port = int(os.environ.get(PORT_VARIABLE, "0"))
    if not port:
        return api

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_page(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            return api(environ, start_response)
        status, headers, body = _fetched(port, environ)
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return application


def _fetched(port: int, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
    target = quote(environ["PATH_INFO"].encode("latin-1"))
    if query := environ.get("QUERY_STRING"):
        target += f"?{query}"
    connection = HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", target, headers={"Host": environ.get("HTTP_HOST", "")})
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException):
        return "503 Service Unavailable", [("content-type", "text/plain")], b"The pages do not answer.\n"
    finally:
        connection.close()
    kept = [(name.lower(), value) for name, value in response.headers.items() if name.lower() not in {"server", "date"}]
    return f"{response.status} {response.reason}", kept, body
