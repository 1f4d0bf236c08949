"""The local front makes the right event of a request and the right response of a handler's return value."""

import base64
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from wsgiref.util import setup_testing_defaults

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from local.front.application import DEFAULT_ROUTE, MAX_BODY_BYTES, ROUTES, Event, HttpApi, LambdaFunction
from local.front.lambda_context import TIMEOUT_SECONDS, LambdaContext

ROOT = Path(__file__).parents[2]

CHECK = "POST /check-eligibility"


class Spy:
    """A handler that remembers its calls and returns a given value."""

    def __init__(self, result: object = None) -> None:
        self.result = {"statusCode": 200, "body": ""} if result is None else result
        self.event: Event = {}
        self.context = LambdaContext("not called")

    def __call__(self, event: Event, context: LambdaContext) -> object:
        self.event, self.context = event, context
        return self.result


class Response:
    """The response of a WSGI application, read as its server would."""

    def __init__(self, application: HttpApi, environ: dict[str, Any]) -> None:
        self.body = b"".join(application(environ, self._start_response))

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], object]:
        self.status = status
        self.headers = headers
        return lambda _chunk: None  # WSGI's old write(), which the front does not use

    def header(self, name: str) -> str | None:
        """Return the first value of a header, None when it is absent."""
        return next((value for key, value in self.headers if key == name), None)


def request(
    method: str = "POST", target: str = "/check-eligibility", body: bytes = b"", **headers: str
) -> dict[str, Any]:
    """Return the WSGI environment of a request; a keyword such as content_type is the header Content-Type."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in headers.items():
        environ[name.upper() if name in {"content_type", "content_length"} else f"HTTP_{name.upper()}"] = value
    setup_testing_defaults(environ)
    return environ


class TemplateLoader(yaml.SafeLoader):
    """Reads template.yaml, with CloudFormation's functions as their plain arguments."""


TemplateLoader.add_multi_constructor("!", lambda _loader, _function, node: getattr(node, "value", None))


def event_of(environ: dict[str, Any]) -> Event:
    """Return the event of a request."""
    spy = Spy()
    Response(HttpApi({DEFAULT_ROUTE: LambdaFunction("spy", spy)}), environ)
    return spy.event


def response_to(result: object) -> Response:
    """Return the response when the function returns this."""
    return Response(HttpApi({DEFAULT_ROUTE: LambdaFunction("spy", Spy(result))}), request())


def body_of(event: Event) -> bytes:
    """Return the body as a handler reads it from the event."""
    body: str = event.get("body", "")
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()


def test_event_has_the_shape_of_payload_format_2() -> None:
    """Every field a handler may rely on, and no other."""
    before = datetime.now(UTC)

    event = event_of(
        request(
            target="/check-eligibility?a=1",
            body=b"{}",
            content_type="application/json",
            content_length="2",
            host="127.0.0.1:3000",
            user_agent="curl/8.0",
            cookie="a=1",
        )
    )

    context = event["requestContext"]
    now = datetime.fromtimestamp(context.pop("timeEpoch") / 1000, UTC)
    assert abs((now - before).total_seconds()) < 5
    assert context.pop("time") == now.strftime("%d/%b/%Y:%H:%M:%S +0000")
    assert context.pop("requestId")
    assert event == {
        "version": "2.0",
        "routeKey": DEFAULT_ROUTE,
        "rawPath": "/check-eligibility",
        "rawQueryString": "a=1",
        "cookies": ["a=1"],
        "headers": {
            "content-type": "application/json",
            "content-length": "2",
            "host": "127.0.0.1:3000",
            "user-agent": "curl/8.0",
        },
        "queryStringParameters": {"a": "1"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": "127.0.0.1:3000",
            "domainPrefix": "local",
            "http": {
                "method": "POST",
                "path": "/check-eligibility",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl/8.0",
            },
            "routeKey": DEFAULT_ROUTE,
            "stage": "$default",
        },
        "body": "{}",
        "isBase64Encoded": False,
    }


def test_event_leaves_out_what_the_request_lacks() -> None:
    """API Gateway sends neither null nor empty values for these."""
    event = event_of(request())

    assert not {"body", "cookies", "queryStringParameters"} & event.keys()
    assert event["isBase64Encoded"] is False
    assert event["rawQueryString"] == ""


@pytest.mark.parametrize(
    ("method", "target", "route_key"),
    [
        ("POST", "/check-eligibility", CHECK),
        ("POST", "/check-eligibility?verbose=1", CHECK),
        ("GET", "/check-eligibility", DEFAULT_ROUTE),
        ("POST", "/check-eligibility/", DEFAULT_ROUTE),
        ("POST", "/CHECK-ELIGIBILITY", DEFAULT_ROUTE),
        ("POST", "/", DEFAULT_ROUTE),
        ("GET", "/$default", DEFAULT_ROUTE),
    ],
)
def test_route_is_chosen_by_method_and_exact_path(method: str, target: str, route_key: str) -> None:
    """A request without a route of its own goes to `$default`."""
    spies = {CHECK: Spy(), DEFAULT_ROUTE: Spy()}
    application = HttpApi({key: LambdaFunction(key, spy) for key, spy in spies.items()})

    Response(application, request(method, target))

    assert spies[route_key].event["routeKey"] == route_key
    assert spies[route_key].event["requestContext"]["routeKey"] == route_key
    assert [spy for spy in spies.values() if spy.event] == [spies[route_key]]


def test_cookies_leave_the_headers() -> None:
    """They arrive as a list instead."""
    event = event_of(request(cookie="a=1; b=2;c=3;"))

    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


def test_repeated_query_parameters_are_joined_by_commas() -> None:
    """Decoded in queryStringParameters, unchanged in rawQueryString."""
    event = event_of(request(target="/?a=1&b&a=%C3%A9+2&c=3%2C4"))

    assert event["rawQueryString"] == "a=1&b&a=%C3%A9+2&c=3%2C4"
    assert event["queryStringParameters"] == {"a": "1,é 2", "b": "", "c": "3,4"}


@settings(deadline=None)  # a busy machine is no failure
@given(path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="?")))
def test_any_path_arrives_decoded(path: str) -> None:
    """WSGI carries the path as Latin-1, and nothing is lost."""
    assert event_of(request(target=f"/{path}"))["rawPath"] == f"/{path}"


@pytest.mark.parametrize(
    ("content_type", "is_text"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/plain", True),
        ("text/csv", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/merge-patch+json", False),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("application/jsonlines", False),
        ("", False),
    ],
)
def test_media_type_decides_how_the_body_travels(content_type: str, *, is_text: bool) -> None:
    """As text for the types that API Gateway knows, otherwise in base64."""
    event = event_of(request(body=b'{"a": "\xc3\xa9"}', content_type=content_type))

    assert event["isBase64Encoded"] is not is_text
    assert event["body"] == ('{"a": "é"}' if is_text else base64.b64encode(b'{"a": "\xc3\xa9"}').decode())


def test_text_that_is_not_utf8_travels_in_base64() -> None:
    """JSON could not carry it otherwise."""
    event = event_of(request(body=b'"\xff"', content_type="application/json"))

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b'"\xff"'


@settings(deadline=None)  # a busy machine is no failure
@given(
    body=st.binary() | st.text().map(str.encode), content_type=st.sampled_from(["application/json", "image/png", ""])
)
def test_any_body_reaches_the_function_unchanged(body: bytes, content_type: str) -> None:
    """Through JSON, as every event goes to Lambda."""
    event = json.loads(json.dumps(event_of(request(body=body, content_type=content_type))))

    assert body_of(event) == body


@settings(deadline=None)  # a busy machine is no failure
@given(body=st.binary())
def test_any_body_comes_back_unchanged(body: bytes) -> None:
    """In base64, or as text where it is text."""
    encoded = {"statusCode": 200, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    text = {"statusCode": 200, "body": body.decode("latin-1")}

    assert response_to(encoded).body == body
    assert response_to(text).body == body.decode("latin-1").encode()


def test_body_over_the_limit_is_refused() -> None:
    """API Gateway does, so the function never sees it."""
    spy = Spy()
    application = HttpApi({DEFAULT_ROUTE: LambdaFunction("spy", spy)})

    at_limit = Response(application, request(body=b" " * MAX_BODY_BYTES))
    event, spy.event = spy.event, {}
    over_limit = Response(application, request(body=b" " * (MAX_BODY_BYTES + 1)))

    assert at_limit.status == "200 OK"
    assert len(body_of(event)) == MAX_BODY_BYTES
    assert over_limit.status.startswith("413 ")
    assert json.loads(over_limit.body) == {"message": "Request Entity Too Large"}
    assert spy.event == {}


def test_response_becomes_http() -> None:
    """Status, headers, one Set-Cookie for each cookie, body."""
    response = response_to(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "application/problem+json", "Retry-After": 3, "Content-Length": "999"},
            "cookies": ["a=1; HttpOnly", "b=2"],
            "body": '{"é": 1}',
        }
    )

    assert response.status == "201 Created"
    assert response.body == '{"é": 1}'.encode()
    assert response.headers[:-2] == [
        ("content-type", "application/problem+json"),
        ("retry-after", "3"),
        ("set-cookie", "a=1; HttpOnly"),
        ("set-cookie", "b=2"),
    ]
    assert response.header("content-length") == str(len(response.body))


def test_response_names_its_request() -> None:
    """It has the event's request id, so that the log line can be found."""
    spy = Spy()

    response = Response(HttpApi({DEFAULT_ROUTE: LambdaFunction("spy", spy)}), request())

    assert response.header("apigw-requestid") == spy.event["requestContext"]["requestId"]


def test_response_without_headers_or_body_gets_the_defaults() -> None:
    """Plain text without content."""
    response = response_to({"statusCode": 204, "headers": None, "body": None})

    assert response.status == "204 No Content"
    assert response.header("content-type") == "text/plain; charset=utf-8"
    assert response.body == b""


@pytest.mark.parametrize("result", [{"message": "hello"}, "hello", [1, 2], 7])
def test_result_without_status_code_is_the_body_of_a_200(result: object) -> None:
    """Format 2.0 infers the rest."""
    response = response_to(result)

    assert response.status == "200 OK"
    assert response.header("content-type") == "application/json"
    assert json.loads(response.body) == result


class NotJson:
    """No JSON type, so Lambda could not return it."""


@pytest.mark.parametrize(
    "result",
    [
        NotJson(),
        {"statusCode": "many"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"x": NotJson()}},
        {"statusCode": 200, "headers": ["not", "a", "mapping"]},
    ],
)
def test_malformed_result_is_an_internal_server_error(result: object) -> None:
    """The log gets the reason, the client does not."""
    response = response_to(result)

    assert response.status == "500 Internal Server Error"
    assert json.loads(response.body) == {"message": "Internal Server Error"}


def test_failing_function_is_an_internal_server_error(caplog: pytest.LogCaptureFixture) -> None:
    """The traceback goes only to the log."""

    def fail(_event: Event, _context: LambdaContext) -> object:
        raise RuntimeError("the reason")

    response = Response(HttpApi({DEFAULT_ROUTE: LambdaFunction("failing", fail)}), request())

    assert response.status == "500 Internal Server Error"
    assert json.loads(response.body) == {"message": "Internal Server Error"}
    assert "RuntimeError: the reason" in caplog.text


def test_context_tells_the_function_and_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like Lambda's: the time runs down and stops at 0."""
    context = LambdaContext("create_loan")
    other = LambdaContext("create_loan")

    assert context.function_name == "create_loan"
    assert context.invoked_function_arn.endswith(":function:create_loan")
    assert context.log_group_name == "/aws/lambda/create_loan"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", context.aws_request_id)
    assert context.aws_request_id != other.aws_request_id

    monkeypatch.setattr("local.front.lambda_context.time.monotonic", lambda: context.started + 1)
    assert context.get_remaining_time_in_millis() == (TIMEOUT_SECONDS - 1) * 1000
    monkeypatch.setattr("local.front.lambda_context.time.monotonic", lambda: context.started + 60)
    assert context.get_remaining_time_in_millis() == 0


def named_in(text: str, ending: str = "") -> str:
    """Return the resource that a !Sub names."""
    found = re.search(rf"\$\{{(\w+{ending})[.}}]", text)
    assert found, text
    return found[1]


def test_front_stands_for_what_the_template_deploys() -> None:
    """The same routes to the same functions, with the same time and memory."""
    text = (ROOT / "template.yaml").read_text()
    template = yaml.load(text, Loader=TemplateLoader)  # noqa: S506 - a SafeLoader
    resources = template["Resources"]
    deployed = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::ApiGatewayV2::Route":
            route = resource["Properties"]
            integration = resources[named_in(route["Target"])]["Properties"]
            function = resources[named_in(integration["IntegrationUri"], "Function")]["Properties"]
            deployed[route["RouteKey"]] = Path(function["CodeUri"]).name
            assert function["Timeout"] == TIMEOUT_SECONDS

    assert deployed == ROUTES
    assert template["Globals"]["Function"]["MemorySize"] == LambdaContext("any").memory_limit_in_mb


def echo() -> HttpApi:
    """Return an application that answers with its event; the `server` fixture runs it."""
    return HttpApi({DEFAULT_ROUTE: LambdaFunction("echo", lambda event, _context: event)})


@pytest.fixture(scope="module")
def server() -> Iterator[http.client.HTTPConnection]:
    """The echo under gunicorn, as `local.run` serves the handlers, and a connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "error"),
                *(
                    "--pythonpath",
                    str(Path(__file__).parent),
                    "--bind",
                    f"fd://{listener.fileno()}",
                    "test_front:echo()",
                ),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[listener.fileno()],
        )
        try:
            host, port = listener.getsockname()
            yield http.client.HTTPConnection(host, port, timeout=30)
        finally:
            process.terminate()
            process.wait()


def test_server_joins_repeated_headers(server: http.client.HTTPConnection) -> None:
    """By commas, as API Gateway does."""
    server.putrequest("GET", f"/{quote('é')}")
    for value in ("1", "", "3, 4"):
        server.putheader("Accept-Language", value)
    server.endheaders()
    event = json.load(server.getresponse())

    assert event["headers"]["accept-language"].replace(" ", "") == "1,,3,4"
    assert event["rawPath"] == "/é"


def test_server_passes_a_body_of_unknown_length(server: http.client.HTTPConnection) -> None:
    """Chunked transfer ends at the last chunk."""
    server.request("POST", "/", body=iter([b"[1,", b"2]"]), headers={"Content-Type": "application/json"})

    event = json.load(server.getresponse())

    assert event["body"] == "[1,2]"
    assert "content-length" not in event["headers"]


def test_server_answers_head_without_a_body(server: http.client.HTTPConnection) -> None:
    """The route's response, less its body."""
    server.request("HEAD", "/")

    response = server.getresponse()

    assert response.status == 200
    assert response.read() == b""
