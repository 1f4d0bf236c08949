"""The probe tells a version that works from one that does not, and lends nothing, whoever its customer is."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from functions.probe import app as probe
from lending import wiring
from local.front.lambda_context import LambdaContext
from local.sam.secrets_manager import LOGIN
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.service import HANDLERS, Service

HOOK = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "execution-1"}
HOOK_TOLD = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "execution-1"}
SCOPES = {"REQUIRED_SCOPE": "loans", "CHECK_ELIGIBILITY_SCOPE": "loans", "CREATE_LOAN_SCOPE": "loans"}


@dataclass
class Aws:
    """Lambda and CodeDeploy. Functions are named by their path; a version that fails raises."""

    told: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    """Functions that crash."""


@pytest.fixture
def aws(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:  # noqa: ARG001 - wires the handlers
    """AWS as the probe meets it. The functions are the real handlers on real servers."""
    state = Aws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if "x-amz-target" in self.headers:
                state.told.append(body)
                self._send({"lifecycleEventHookExecutionId": "execution-1"})
                return
            function = self.path.split("/")[3]
            state.asked.append(function)
            if function in state.failing:
                self._send(
                    {"errorMessage": "No module named 'x'", "errorType": "Runtime.ImportModuleError"}, "Unhandled"
                )
                return
            path = body["rawPath"]
            self._send(HANDLERS[path](body, LambdaContext(path)))

        def _send(self, body: object, error: str | None = None) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            if error:
                self.send_header("x-amz-function-error", error)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        environment = LOGIN | SCOPES | {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_ENDPOINT_URL_CODEDEPLOY": url}
        for operation in ("CHECK_ELIGIBILITY", "CREATE_LOAN"):
            environment |= {f"{operation}_VERSION": f"{operation}-new", f"{operation}_LIVE": f"{operation}-live"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(probe, "PAUSE_SECONDS", 0)
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def test_new_versions_that_work_get_their_traffic(aws: Aws) -> None:
    probe.lambda_handler(HOOK, None)

    assert [each["status"] for each in aws.told] == ["Succeeded"]
    assert set(aws.asked) == {"CHECK_ELIGIBILITY-new", "CREATE_LOAN-new"}


@pytest.mark.parametrize("function", ["CHECK_ELIGIBILITY-new", "CREATE_LOAN-new"])
def test_a_new_version_that_fails_gets_none_and_the_log_says_why(
    function: str, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.failing.add(function)

    probe.lambda_handler(HOOK, None)

    assert aws.told == [HOOK_TOLD | {"status": "Failed"}]
    assert "Runtime.ImportModuleError" in caplog.text
    assert function in caplog.text


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DB_NAME", "nowhere", "50"),
        ("DB_PASSWORD", "wrong", "503"),
        ("REDIS_DB", "99", "500"),
        ("REDIS_PORT", "1", "fwd=bypass"),
    ],
)
def test_a_version_with_wrong_settings_is_told_from_a_right_one(
    variable: str,
    value: str,
    said: str,
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the settings lead to: another database, a login that is refused, a cache that is not there."""
    wiring.close()
    monkeypatch.setenv(variable, value)
    probe.lambda_handler(HOOK, None)

    assert [each["status"] for each in aws.told] == ["Failed"]
    assert said in caplog.text


def test_nothing_is_lent_even_to_a_customer_who_has_that_number(
    aws: Aws, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.add_customer(probe.NOBODY, Customer(Decimal(100_000), Decimal(100_000_000)), [a_loan()] * 12)

    probe.lambda_handler(HOOK, None)

    assert "not 404 for a customer who is unknown" in caplog.text
    assert database.execute("SELECT COUNT(*) FROM loans") == ((12,),)
    assert [each["status"] for each in aws.told] == ["Failed"]


def test_live_functions_that_work_are_left_in_peace(aws: Aws) -> None:
    probe.lambda_handler({}, None)

    assert aws.told == []
    assert set(aws.asked) == {"CHECK_ELIGIBILITY-live", "CREATE_LOAN-live"}


def test_a_live_function_that_fails_is_an_error_for_the_alarm(aws: Aws) -> None:
    aws.failing.add("CREATE_LOAN-live")

    with pytest.raises(probe.UnfitError, match="CREATE_LOAN-live"):
        probe.lambda_handler({}, None)


def test_a_call_that_aws_refuses_is_reported_too(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception before the report would keep the deployment waiting for an hour."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")

    probe.lambda_handler(HOOK, None)

    assert [each["status"] for each in aws.told] == ["Failed"]
