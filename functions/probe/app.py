"""Calls the API's functions as the API does: a new version before its first traffic, the live one every few minutes.

It asks about a customer who cannot exist. The right response is a 404 whose Cache-Status says that the cache was asked
and replied. It proves the version's settings, its login to both stores and the tables. Nothing can be lent: the
customer has no row to lock, and even for one who had, the rate asked for is above the highest that is accepted.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

NOBODY = 4_294_967_295
"""The largest id of the contract, which no lender gives."""
NOT_FOUND = 404
TRIES = 4
"""A first call may find the cache slower than its patience, since a cold start connects and logs in."""
PAUSE_SECONDS = 3.0

# Longer than the functions' own timeout, and no call twice.
CONFIG = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 1})

logger = logging.getLogger()


class UnfitError(Exception):
    """A live function did not respond as it should."""


class Operation(NamedTuple):
    """One operation of the API, and the request that it is asked."""

    path: str
    body: Mapping[str, int]
    name: str
    """Beginning of its variables' names."""


OPERATIONS = (
    Operation(
        "/check-eligibility",
        {"customer_id": NOBODY, "loan_amount": 1000, "interest_rate": 12, "tenure": 12},
        "CHECK_ELIGIBILITY",
    ),
    Operation(
        "/create-loan",
        {"customer_id": NOBODY, "loan_amount": 1000, "interest_rate": 100, "tenure": 1, "highest_interest_rate": 0},
        "CREATE_LOAN",
    ),
)


def lambda_handler(event: Mapping[str, Any], _context: object) -> None:
    """Tell CodeDeploy whether the new versions are fit, or raise if the live ones are not.

    Raises:
        UnfitError: A live function is unfit. Lambda counts it, and an alarm rings.
    """
    execution = event.get("LifecycleEventHookExecutionId")
    faults = list(_faults("VERSION" if execution else "LIVE"))
    for fault in faults:
        logger.error(fault)
    if execution:
        status = "Failed" if faults else "Succeeded"
        logger.info("%s: deployment %s", status, event["DeploymentId"])
        boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
            deploymentId=event["DeploymentId"], lifecycleEventHookExecutionId=execution, status=status
        )
    elif faults:
        raise UnfitError("; ".join(faults))


def _faults(which: str) -> Iterator[str]:
    client = boto3.client("lambda", config=CONFIG)
    for operation in OPERATIONS:
        function = os.environ[f"{operation.name}_{which}"]
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            fault = _fault(client, function, operation)
            if fault is None:
                break
        else:
            yield f"{operation.path} ({function}): {fault}"


def _fault(client: Any, function: str, operation: Operation) -> str | None:
    """Return what is wrong with a function's response, if anything."""
    event = json.dumps(_event(operation))
    try:
        result = client.invoke(FunctionName=function, Payload=event)
        response = json.loads(result["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as exc:
        return f"{type(exc).__name__}: {exc}"
    if result.get("FunctionError") or not isinstance(response, dict) or "statusCode" not in response:
        return f"it did not respond: {json.dumps(response)[:500]}"
    problem = json.loads(response["body"])
    if response["statusCode"] != NOT_FOUND or problem.get("type") != "/problems/customer-not-found":
        return f"it responded {response['statusCode']} {problem.get('type', '')}, not 404 for a customer who is unknown"
    cache = response["headers"].get("cache-status", "nothing")
    return None if "; fwd=miss" in cache else f"the cache is not in use: Cache-Status says {cache}"


def _event(operation: Operation) -> dict[str, Any]:
    """Return the event that API Gateway would send for a caller with the operation's scope."""
    scope = os.environ.get(f"{operation.name}_SCOPE", "")
    return {
        "version": "2.0",
        "routeKey": f"POST {operation.path}",
        "rawPath": operation.path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "requestId": "probe",
            "http": {"method": "POST", "path": operation.path},
            "authorizer": {"jwt": {"claims": {"iss": "probe", "sub": "probe", "scope": scope}}},
        },
        "body": json.dumps(operation.body),
        "isBase64Encoded": False,
    }
