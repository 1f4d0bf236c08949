"""After a deployment the API is called as a caller calls it, and the pipeline deploys one build everywhere."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
import yaml

from deploy.smoke import faults
from deploy.stages import ROOT

SESSION = boto3.Session(aws_access_key_id="AKID", aws_secret_access_key="-", region_name="eu-west-1")
FIT = (404, "/problems/customer-not-found", "credit-score; fwd=miss")


class Api:
    """An API that gives one answer, and what it was sent."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, str] = FIT
        self.sent: list[tuple[str, str, bytes]] = []
        self.url = ""


@pytest.fixture
def api() -> Iterator[Api]:
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.sent.append((self.path, self.headers["authorization"], body))
            status, kind, cache = state.answer
            text = json.dumps({"type": kind}).encode()
            self.send_response(status)
            self.send_header("cache-status", cache)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def test_both_operations_are_called_with_a_signature_or_a_token(api: Api) -> None:
    assert list(faults(api.url, SESSION, None)) == []
    assert list(faults(api.url, SESSION, "abc")) == []

    assert [path for path, _, _ in api.sent] == ["/check-eligibility", "/create-loan"] * 2
    assert "/eu-west-1/execute-api/aws4_request" in api.sent[0][1]
    assert api.sent[2][1] == "Bearer abc"


@pytest.mark.parametrize(
    "answer",
    [(403, "", "none"), (503, "/problems/store-unavailable", "none"), (FIT[0], FIT[1], "credit-score; fwd=bypass")],
)
def test_any_other_answer_is_a_fault(answer: tuple[int, str, str], api: Api) -> None:
    api.answer = answer

    assert [f": {answer[0]} " in each for each in faults(api.url, SESSION, None)] == [True, True]


def workflow(name: str) -> dict[str, Any]:
    parsed: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
    return parsed["jobs"]


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_each_stage_waits_for_the_one_before_and_deploys_what_was_built_once() -> None:
    jobs, stage = workflow("deploy"), workflow("deploy-stage")["deploy"]

    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "build": None,
        "dev": "build",
        "staging": "dev",
        "prod": "staging",
    }
    assert "sam package" in commands(jobs["build"])
    assert "sam build" not in commands(stage)
    assert "releases/$GITHUB_SHA.yaml" in commands(jobs["build"])
    assert "releases/$GITHUB_SHA.yaml" in commands(stage)
    assert "--template-file packaged.yaml" in commands(stage)


def test_a_stage_is_called_after_its_deployment_and_prod_is_protected() -> None:
    steps = workflow("deploy-stage")["deploy"]["steps"]
    names = [step.get("name") for step in steps]

    assert names.index("Deploy") < names.index("Smoke") < names.index("Protect")
    assert steps[names.index("Protect")]["if"] == "inputs.stage == 'prod'"
