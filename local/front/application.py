"""Does what API Gateway does in AWS: HTTP in front of the same handlers that Lambda calls.

This WSGI application turns each request into the event of an HTTP API (payload format 2.0), calls the route's handler
and turns its return value into the response. A process imports the handlers at its start and answers one request at a
time, like an execution environment of Lambda. Here, all functions share one process.

Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs" and "Quotas for HTTP APIs".
"""

import base64
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import responses as reason_phrases
from importlib import import_module
from secrets import token_urlsafe
from typing import Any, Self
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

from local.front.lambda_context import ACCOUNT_ID, LambdaContext
from local.front.pages import Application, with_pages

Event = dict[str, Any]
Headers = list[tuple[str, str]]

DEFAULT_ROUTE = "$default"

# Each route of template.yaml and the folder of its function.
ROUTES = {
    "POST /check-eligibility": "check_eligibility",
    "POST /create-loan": "create_loan",
    DEFAULT_ROUTE: "check_eligibility",
}

MAX_BODY_BYTES = 10 * 1024 * 1024

# The guide only says that a "binary" body arrives in base64. A real HTTP API passes text/* and these as text. It passes
# everything else in base64, also a body without a type.
TEXT_MEDIA_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LambdaFunction:
    """A handler and the name its context calls it by."""

    name: str
    handler: Callable[[Event, LambdaContext], object]

    @classmethod
    def load(cls, name: str) -> Self:
        """Import the handler from its folder under functions/."""
        return cls(name, import_module(f"functions.{name}.app").lambda_handler)

    def invoke(self, event: Event) -> object:
        """Return what the handler returns, through JSON as on its way out of Lambda."""
        return json.loads(json.dumps(self.handler(event, LambdaContext(self.name))))


@dataclass(frozen=True)
class HttpResponse:
    """What goes back to the client; header names in lower case."""

    status: int
    headers: Headers
    body: bytes

    @classmethod
    def of_gateway(cls, status: int, message: str) -> Self:
        """Return a response that API Gateway sends by itself."""
        return cls(status, [("content-type", "application/json")], json.dumps({"message": message}).encode())


class HttpApi:
    """The WSGI application: a route key to a function each, `$default` for all the rest."""

    def __init__(self, routes: Mapping[str, LambdaFunction]) -> None:
        self._routes = routes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        request_id = token_urlsafe(12)
        response = self._respond(environ, request_id)

        reason = reason_phrases.get(response.status, "Unknown")
        start_response(
            f"{response.status} {reason}",
            [*response.headers, ("apigw-requestid", request_id), ("content-length", str(len(response.body)))],
        )
        return [response.body]

    def _respond(self, environ: WSGIEnvironment, request_id: str) -> HttpResponse:
        body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            return HttpResponse.of_gateway(413, "Request Entity Too Large")

        route_key = f"{environ['REQUEST_METHOD']} {_path(environ)}"
        if route_key not in self._routes:
            route_key = DEFAULT_ROUTE
        try:
            return to_response(self._routes[route_key].invoke(to_event(environ, body, route_key, request_id)))
        except Exception:
            # Lambda reports the error to API Gateway, which hides it from the client.
            logger.exception("The function of route %s failed.", route_key)
            return HttpResponse.of_gateway(500, "Internal Server Error")


def create_application() -> Application:
    """Import the handlers and return the API in front of them, and the pages; each server process calls this once."""
    functions = {name: LambdaFunction.load(name) for name in ROUTES.values()}
    return with_pages(HttpApi({route_key: functions[name] for route_key, name in ROUTES.items()}))


def to_event(environ: WSGIEnvironment, body: bytes, route_key: str, request_id: str) -> Event:
    """Return the event, payload format 2.0, that API Gateway would make of the request."""
    now = time.time()
    headers = _headers(environ)
    cookies = headers.pop("cookie", "")
    query = environ.get("QUERY_STRING", "")

    event: Event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": _path(environ),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "domainName": headers.get("host", ""),
            "domainPrefix": "local",
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": _path(environ),
                "protocol": environ["SERVER_PROTOCOL"],
                "sourceIp": environ.get("REMOTE_ADDR", ""),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    # Absent rather than empty, as from API Gateway.
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";") if cookie.strip()]
    if query:
        event["queryStringParameters"] = _joined_parameters(query)
    if body:
        event["body"], event["isBase64Encoded"] = _encode_body(body, headers.get("content-type", ""))
    return event


def to_response(result: object) -> HttpResponse:
    """Return the HTTP response that API Gateway would make of what a function returned.

    Raises:
        Exception: The value has a status code but is no response; API Gateway answers 500.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return HttpResponse(200, [("content-type", "application/json")], json.dumps(result).encode())

    headers = {"content-type": "text/plain; charset=utf-8"}
    headers |= {name.lower(): str(value) for name, value in (result.get("headers") or {}).items()}
    headers.pop("content-length", None)
    cookies = [("set-cookie", cookie) for cookie in result.get("cookies") or []]
    body = result.get("body") or ""
    payload = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
    return HttpResponse(int(result["statusCode"]), [*headers.items(), *cookies], payload)


def _path(environ: WSGIEnvironment) -> str:
    """Return the decoded path; WSGI carries its bytes as Latin-1."""
    return str(environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace")


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the headers by lower-case name; the server has already joined repeated ones by commas."""
    names = {key: key.removeprefix("HTTP_") for key in environ if key.startswith("HTTP_")}
    names |= {key: key for key in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(key)}
    return {name.replace("_", "-").lower(): environ[key] for key, name in names.items()}


def _joined_parameters(query: str) -> dict[str, str]:
    """Return the decoded query parameters, repeated ones joined by commas."""
    values = defaultdict(list)
    for name, value in parse_qsl(query, keep_blank_values=True):
        values[name].append(value)
    return {name: ",".join(repeated) for name, repeated in values.items()}


def _encode_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return the body as the event carries it, and whether that is base64."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in TEXT_MEDIA_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # An event is JSON; bytes that are no text can only travel in base64.
    return base64.b64encode(body).decode(), True
