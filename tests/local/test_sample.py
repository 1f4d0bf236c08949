"""The sample portfolio in a stack: put where the stack imports from, and only into a stack of the stage dev."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from importer import uploads
from local import sample
from local.front.lambda_context import LambdaContext
from local.sam.secrets_manager import REGION
from local.sample_data.portfolio import SAMPLE_CUSTOMERS
from testkit.database import Database
from testkit.s3 import BUCKET, FilesBucket, upload_event

STACK = "lending-sample"
HAS_A_BUCKET = {"FilesBucket": BUCKET}


@pytest.fixture
def a_stack(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that makes a stack of a stage; botocore's stub says what CloudFormation would say of it."""
    make_client = boto3.client

    def made(stage: str, outputs: Mapping[str, str]) -> str:
        described = {
            "StackName": STACK,
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
            "StackStatus": "CREATE_COMPLETE",
            "Parameters": [{"ParameterKey": "Stage", "ParameterValue": stage}],
            "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
        }
        cloudformation = make_client("cloudformation", region_name=REGION)
        stubber = Stubber(cloudformation)
        stubber.add_response("describe_stacks", {"Stacks": [described]}, {"StackName": STACK})
        stubber.activate()
        monkeypatch.setattr(
            boto3, "client", lambda name: cloudformation if name == "cloudformation" else make_client(name)
        )
        return STACK

    return made


def import_what_arrives(bucket: FilesBucket) -> None:
    """Tell the import function of each file, as S3 does."""
    deadline = time.monotonic() + 60
    while len(keys := bucket.keys("imports/")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    for key in keys:
        uploads.lambda_handler(upload_event([key]), LambdaContext("ImportFunction", timeout_seconds=900))


def test_a_dev_stack_imports_the_sample_and_reports(
    bucket: FilesBucket, database: Database, a_stack: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "POLL_SECONDS", 0.1)
    stack = a_stack("dev", HAS_A_BUCKET)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(sample.into_stack, stack)
        import_what_arrives(bucket)
        report = loading.result()

    assert report.endswith("Imported.\n")
    assert database.execute("SELECT COUNT(*) FROM customers") == ((SAMPLE_CUSTOMERS,),)


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_another_stage_gets_no_sample(bucket: FilesBucket, a_stack: Callable[..., str], stage: str) -> None:
    with pytest.raises(sample.SampleError, match=f"is of the stage {stage}"):
        sample.into_stack(a_stack(stage, HAS_A_BUCKET))

    assert bucket.keys() == []


def test_a_stack_without_a_bucket_is_told_so(bucket: FilesBucket, a_stack: Callable[..., str]) -> None:
    with pytest.raises(sample.SampleError, match="no output FilesBucket"):
        sample.into_stack(a_stack("dev", {}))
    assert bucket.keys() == []
