"""Loads the sample portfolio where it is asked for: `python -m local.sample`, or `--stack lending-dev`.

Into an empty database only: that of DB_*, or that of a stack of the stage dev, whose own function does it.
"""

import argparse
import json
import os
import sys
from datetime import datetime
from typing import Any

import boto3
import pymysql
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from db.connection import connect, why_none
from db.migrate import MigrationError, migrate
from lending.adapters.logins import LoginUnavailableError
from lending.config import InvalidSettingError, Settings
from local.sample_data import load_if_empty

ANSWER_SECONDS = 900
"""As long as the function may take."""


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.sample", description=__doc__)
    parser.add_argument("--stack", default="", help="name of a stack; without one DB_* name the database")
    stack = parser.parse_args().stack
    try:
        loaded = into_stack(stack) if stack else into_database(Settings.from_env(os.environ))
    except (InvalidSettingError, MigrationError, SampleError) as exc:
        sys.exit(f"sample: {exc}")
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        sys.exit(f"sample: no database: {why_none(exc)}")
    except (BotoCoreError, ClientError) as exc:
        sys.exit(f"sample: {exc}")
    print(
        f"Loaded the sample portfolio: {loaded} customers."
        if loaded
        else "Nothing loaded: there are customers already."
    )


class SampleError(Exception):
    """The stack does not load a sample; the message says why."""


def into_database(settings: Settings) -> int:
    """Bring the schema up to date and load the sample; return the number of customers, 0 where there were some."""
    with connect(settings) as connection:
        migrate(connection)
        return load_if_empty(connection, datetime.now(settings.business_timezone).date())


def into_stack(stack: str) -> int:
    """Have the stack's own function load the sample; return as above."""
    function = _output(stack, "ImportFunction")
    # Once, and as long as it takes: a second try would only find what the first has loaded.
    patient = Config(read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1})
    answer = boto3.client("lambda", config=patient).invoke(FunctionName=function, Payload=json.dumps({"sample": True}))
    result: Any = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise SampleError(str(result.get("errorMessage", result)))
    return int(result["customers"])


def _output(stack: str, key: str) -> str:
    (description,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    for output in description.get("Outputs", []):
        if output.get("OutputKey") == key:
            return str(output["OutputValue"])
    raise SampleError(f"the stack {stack} has no output {key}; is it of this version?")


if __name__ == "__main__":
    main()
