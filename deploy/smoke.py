"""Calls a stack's API as a caller does, after a deployment: `python -m deploy.smoke lending-dev`.

It signs with the credentials at hand, or sends the token in the variable TOKEN where the stack wants one. It asks about
the customer who cannot exist, as the probe does from within; here the gateway and the permissions answer as well.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from deploy.outputs import outputs_of
from functions.probe.app import NOT_FOUND, OPERATIONS, Operation

TIMEOUT_SECONDS = 30


def faults(url: str, session: Any, token: str | None) -> Iterator[str]:
    """Yield what is wrong with the responses of an API."""
    for operation in OPERATIONS:
        status, kind, cache = _asked(url, operation, session, token)
        if (status, kind) != (NOT_FOUND, "/problems/customer-not-found") or "; fwd=miss" not in cache:
            yield f"{operation.path}: {status} {kind}, Cache-Status: {cache}"


def _asked(url: str, operation: Operation, session: Any, token: str | None) -> tuple[int, str, str]:
    """Return a response's status, the type of its problem and its Cache-Status."""
    body = json.dumps(operation.body).encode()
    given = AWSRequest("POST", url + operation.path, {"content-type": "application/json"}, body)
    if token:
        given.headers["authorization"] = f"Bearer {token}"
    else:
        SigV4Auth(session.get_credentials(), "execute-api", session.region_name).add_auth(given)
    request = urllib.request.Request(url + operation.path, body, dict(given.headers), method="POST")  # noqa: S310 - the stack's own
    try:
        response: Any = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        response = error
    with response:
        problem = json.loads(response.read() or "{}")
        return response.status, str(problem.get("type", problem)), response.headers.get("cache-status", "none")


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.smoke", description=__doc__)
    parser.add_argument("stack", help="name of the stack")
    stack = parser.parse_args().stack
    session = boto3.Session()
    try:
        outputs = outputs_of(session, stack)
        wrong = list(faults(outputs["ApiUrl"], session, os.environ.get("TOKEN")))
    except (BotoCoreError, ClientError, KeyError, OSError) as exc:
        sys.exit(f"smoke: {stack}: {exc}")
    sys.exit("\n".join(f"smoke: {each}" for each in wrong) or None)


if __name__ == "__main__":
    main()
