"""The template's Schema resource: migrates the database during a deployment, and fails the deployment with a reason.

It also returns a fingerprint of the settings, which CloudFormation cannot compute.

CloudFormation invokes the function and then waits for an answer at a signed URL. So this module always sends an answer.
Without one, the deployment waits until ServiceTimeout.
"""

import hashlib
import json
import os
import time
import urllib.request
from typing import Any

import pymysql

from db.accounts import accounts_of, as_owner, grant_all
from db.errors import MigrationError, UnknownMigrationError
from db.migrate import migrate, take_triggers
from db.policies import PolicyRefusedError, record_policies, refuse_policies
from lending import wiring
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import connect, why_none
from lending.adapters.policy_files import InvalidPolicyError
from lending.config import InvalidSettingError, Settings
from lending.observability import logger
from lending.time_limit import time_limit

SECONDS_TO_ANSWER = 15
"""Held back from the function's time, so that a migration that takes too long can still be reported."""
MAX_REASON = 2000
"""CloudFormation drops answers of more than 4 KiB."""
FINGERPRINT_DIGITS = 16
ANSWER_ATTEMPTS = 3
ANSWER_TIMEOUT_SECONDS = 4
SHORT_TIMEOUTS = {"connect_timeout": 2, "read_timeout": 2, "write_timeout": 2}
"""Seconds for calls that must not use up the time to answer."""

FORESEEN = (
    *(MigrationError, PolicyRefusedError, InvalidPolicyError, InvalidSettingError),
    *(LoginUnavailableError, pymysql.MySQLError),
)
"""The messages of these say what went wrong. For any other error, the log has the details."""


class OutOfTimeError(MigrationError):
    """The function is about to end, and the migration with it."""


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Carry out one request of CloudFormation and answer it; the template's daily call has nobody to answer.

    Raises:
        OSError: The answer could not be sent. Lambda then invokes the function again.
    """
    if event["RequestType"] == "StayActive":
        return
    try:
        # The deletion policy decides about a deleted stack's database. Migrations are never undone.
        applied = [] if event["RequestType"] == "Delete" else _brought_up_to_date(event, context)
    except Exception as exc:  # noqa: BLE001 - CloudFormation waits for an answer in any case
        logger.exception("The schema could not be brought up to date")
        _answer(event, "FAILED", _reason(exc, context))
    else:
        logger.info("The schema is up to date", extra={"applied": applied})
        _answer(event, "SUCCESS", ", ".join(applied) or "nothing to do", {"Settings": _fingerprint(event)})


def _brought_up_to_date(event: dict[str, Any], context: Any) -> list[str]:
    settings, accounts, today = wiring.settings(), accounts_of(os.environ), wiring.today()
    seconds = context.get_remaining_time_in_millis() / 1000 - SECONDS_TO_ANSWER
    over = OutOfTimeError("the function's time was over; deploy again, and it goes on where it was")
    with (
        time_limit(seconds, over),
        connect(settings) as administrator,
        as_owner(administrator, settings, accounts) as owner,
        connect(owner) as connection,
    ):
        try:
            refuse_policies(connection, wiring.policies(), today)
            applied = migrate(connection)
            if accounts:
                take_triggers(connection)
                grant_all(administrator, settings, accounts)
        except OutOfTimeError:
            _stop(connection.thread_id(), owner)  # type: ignore[no-untyped-call]  # PyMySQL's own lack
            raise
        except UnknownMigrationError as exc:
            if event["RequestType"] == "Create":
                raise
            # A deployment that failed later is rolling back. The schema stays, and the stack must not get stuck.
            logger.warning("The database is ahead of this version", extra={"reason": str(exc)})
            applied = []
        record_policies(connection, wiring.policies(), today)
    return applied


def _stop(thread_id: int, settings: Settings) -> None:
    """End a running statement. The server does not notice that its client has left, and would keep the lock."""
    try:
        with connect(settings, **SHORT_TIMEOUTS) as connection, connection.cursor() as cursor:
            cursor.execute("KILL %s", (thread_id,))
    except (LoginUnavailableError, pymysql.MySQLError):
        logger.exception("The statement under way could not be ended")


def _reason(exc: Exception, context: Any) -> str:
    """Return the failure in words. CloudFormation shows them beside the resource."""
    where = f"log group {context.log_group_name}, stream {context.log_stream_name}"
    if not isinstance(exc, FORESEEN):
        return f"{type(exc).__name__}; see {where}"
    if isinstance(exc, LoginUnavailableError | pymysql.MySQLError):
        message = why_none(exc)
    else:
        message = str(exc.args[-1] if exc.args else type(exc).__name__)
    return f"{message[:MAX_REASON]}; see {where}"


def _fingerprint(event: dict[str, Any]) -> str:
    """Return a fingerprint of the settings. The template publishes a new version whenever it changes."""
    settings = event["ResourceProperties"].get("Settings")
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:FINGERPRINT_DIGITS]


def _answer(event: dict[str, Any], status: str, reason: str, data: dict[str, str] | None = None) -> None:
    body = {
        "Status": status,
        "Reason": reason,
        # Always the same: a new id would have CloudFormation delete the old one.
        "PhysicalResourceId": "schema",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        "Data": data or {},
    }
    # The URL's signature covers an empty content type; any other is refused.
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own URL
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    for attempt in range(1, ANSWER_ATTEMPTS + 1):
        try:
            urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS).close()  # noqa: S310 - as above
        except OSError:
            if attempt == ANSWER_ATTEMPTS:
                raise
            time.sleep(0.5)
        else:
            return
