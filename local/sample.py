"""Loads the sample portfolio where it is asked for: `python -m local.sample`, or `--stack lending-dev`.

Into the empty database that DB_* name; or, as files that it imports, into a stack of the stage dev.
"""

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from db.errors import MigrationError
from db.migrate import migrate
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.mysql_jobs import connect, why_none
from lending.config import InvalidSettingError, Settings
from local.sample_data import load_if_empty
from local.sample_data.__main__ import write_csv
from local.sample_data.portfolio import SAMPLE_CUSTOMERS

FOLDER = "sample"
REPORT = f"reports/{FOLDER}/report.txt"
REPORT_SECONDS, POLL_SECONDS = 180, 2


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.sample", description=__doc__)
    parser.add_argument("--stack", default="", help="name of a stack; without one DB_* name the database")
    stack = parser.parse_args().stack
    try:
        print(into_stack(stack) if stack else into_database(Settings.from_env(os.environ)))
    except (InvalidSettingError, MigrationError, SampleError) as exc:
        sys.exit(f"sample: {exc}")
    except (LoginUnavailableError, pymysql.MySQLError) as exc:
        sys.exit(f"sample: no database: {why_none(exc)}")
    except (BotoCoreError, ClientError) as exc:
        sys.exit(f"sample: {exc}")


class SampleError(Exception):
    """The stack does not load a sample; the message says why."""


def into_database(settings: Settings) -> str:
    """Bring the schema up to date and load the sample into an empty database; return what came of it."""
    with connect(settings) as connection:
        migrate(connection)
        loaded = load_if_empty(connection, datetime.now(settings.business_timezone).date())
    return (
        f"Loaded the sample portfolio: {loaded} customers."
        if loaded
        else "Nothing loaded: there are customers already."
    )


def into_stack(stack: str) -> str:
    """Put the sample's files where the stack imports from; return the report."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    stage = next(
        (p.get("ParameterValue") for p in described.get("Parameters", []) if p.get("ParameterKey") == "Stage"), ""
    )
    if stage != "dev":
        raise SampleError(f"{stack} is of the stage {stage or 'unknown'}; the sample goes into dev alone")
    outputs = {output.get("OutputKey"): output.get("OutputValue") for output in described.get("Outputs", [])}
    bucket = outputs.get("FilesBucket")
    if not bucket:
        raise SampleError(f"{stack} has no output FilesBucket; is it of this version?")
    s3 = boto3.client("s3")
    s3.delete_object(Bucket=bucket, Key=REPORT)
    with TemporaryDirectory() as name:
        write_csv(Path(name), datetime.now(UTC).date(), SAMPLE_CUSTOMERS)
        for file in ("customers.csv", "loans.csv"):
            s3.upload_file(f"{name}/{file}", bucket, f"imports/{FOLDER}/{file}")
    return _report(bucket)


def _report(bucket: str) -> str:
    """Wait for the report on both files: the first to arrive may be imported alone."""
    s3 = boto3.client("s3")
    deadline = time.monotonic() + REPORT_SECONDS
    while time.monotonic() < deadline:
        try:
            report = s3.get_object(Bucket=bucket, Key=REPORT)["Body"].read().decode()
        except s3.exceptions.NoSuchKey:
            report = ""
        if "customers.csv" in report and "loans.csv" in report:
            return report
        time.sleep(POLL_SECONDS)
    raise SampleError(
        f"no report in {bucket}/{REPORT} after {REPORT_SECONDS} s; the log of the import function tells why"
    )


if __name__ == "__main__":
    main()
