"""moto's CloudFormation makes what it can of the expanded stack, and calls the custom resource as AWS would."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from functools import partial
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws, settings
from moto.awslambda.models import LambdaFunction
from moto.cloudformation import custom_model

from db import custom_resource
from local.front.lambda_context import LambdaContext
from local.sam.secrets_manager import LOGIN
from testkit.cloudformation import cloudformation_waits
from testkit.database import own_database
from testkit.service import wired
from tests.template.concrete import Concrete

STACK = "lending-prod"
MADE = {
    *("AWS::CloudWatch::Dashboard", "AWS::EC2::FlowLog", "AWS::EC2::RouteTable", "AWS::EC2::SecurityGroup"),
    *("AWS::EC2::SecurityGroupIngress", "AWS::EC2::Subnet", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPC"),
    *("AWS::EC2::VPCEndpoint", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::KMS::Key", "AWS::Lambda::Function"),
    *("AWS::Lambda::LayerVersion", "AWS::Lambda::Version", "AWS::Logs::LogGroup", "AWS::RDS::DBParameterGroup"),
    *("AWS::RDS::DBSubnetGroup", "AWS::S3::Bucket", "AWS::SNS::Topic", "Custom::Schema"),
}
"""Types that moto 5 makes as the template has them. It lacks the others, or stumbles: for a database it wants the name
of its parameters' group, and for a permission a function, not an alias."""


class Created:
    """The stack that moto made, and what it told the functions."""

    def __init__(self, stack: Concrete, told: SimpleQueue[dict[str, Any]]) -> None:
        self.stack = stack
        self.cloudformation = boto3.client("cloudformation")
        self.cloudformation.create_stack(
            StackName=STACK, TemplateBody=json.dumps({"Resources": stack.resources}), Capabilities=["CAPABILITY_IAM"]
        )
        self.told = told.get(timeout=30)
        found = self.cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        self.ids = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}


@pytest.fixture
def created(stacks: dict[str, Concrete], monkeypatch: pytest.MonkeyPatch) -> Iterator[Created]:
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    told: SimpleQueue[dict[str, Any]] = SimpleQueue()
    # It passes some references as objects of its own.
    dumps = partial(json.dumps, default=lambda made: str(made.logical_resource_id))
    monkeypatch.setattr(custom_model, "json", SimpleNamespace(dumps=dumps))
    monkeypatch.setattr(settings, "moto_server_host", lambda: "http://127.0.0.1")  # or it asks Docker where it is
    monkeypatch.setattr(LambdaFunction, "invoke", lambda _, body, *__: told.put(json.loads(body)))
    with mock_aws(config={"lambda": {"use_docker": False}}):
        upload(stacks["prod"])
        yield Created(only_what_moto_makes(stacks["prod"]), told)


def upload(stack: Concrete) -> None:
    """Put the artefacts where the template says."""
    s3, code = boto3.client("s3"), io.BytesIO()
    s3.create_bucket(Bucket="artefacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    for properties in (each.get("Properties", {}) for each in stack.resources.values()):
        for artefact in (properties.get("Code"), properties.get("Content")):
            if artefact:
                s3.put_object(Bucket="artefacts", Key=artefact["S3Key"], Body=code.getvalue())


def only_what_moto_makes(stack: Concrete) -> Concrete:
    """Leave the rest out, with its names in place of what refers to it."""
    left_out = {name for name, resource in stack.resources.items() if resource["Type"] not in MADE}

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("Ref") in left_out:
            return value["Ref"]
        if "Fn::GetAtt" in value and value["Fn::GetAtt"][0] in left_out:
            return f"arn:aws:none:eu-west-1:123456789012:{value['Fn::GetAtt'][0]}"
        if "Fn::Sub" in value:
            text, names = (value["Fn::Sub"], {}) if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"]
            text = re.sub(r"\$\{(\w+)(\.\w+)?\}", lambda at: at[1] if at[1] in left_out else at[0], text)
            return {"Fn::Sub": [text, without(names)]}
        return {name: without(each) for name, each in value.items() if name != "DependsOn"}

    resources = {name: without(each) for name, each in stack.resources.items() if name not in left_out}
    return Concrete({"Parameters": {}, "Resources": resources}, {})


def test_what_moto_makes_stands_and_is_what_the_template_says(created: Created) -> None:
    assert set(created.ids) == set(created.stack.resources)
    assert len(created.ids) > 60
    function = boto3.client("lambda").get_function_configuration(FunctionName=created.ids["CreateLoanFunction"])
    variables = function["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == f"Lending/{STACK}"
    assert function["VpcConfig"]["SubnetIds"] == [created.ids["SubnetA"], created.ids["SubnetB"]]
    policy = boto3.client("kms").get_key_policy(KeyId=created.ids["Key"], PolicyName="default")["Policy"]
    assert f"log-group:{STACK}-*" in str(policy)


def test_the_custom_resource_is_called_with_what_it_needs(
    created: Created, mysql_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By moto; the migration itself answers, on a real server."""
    with (
        own_database(mysql_environment, "created") as empty,
        wired(empty.environment, monkeypatch),
        cloudformation_waits() as waiting,
    ):
        event = created.told | {"ResponseURL": waiting.url}
        custom_resource.lambda_handler(event, LambdaContext("MigrateFunction", timeout_seconds=900))

    [answer] = waiting.answers
    assert answer["Status"] == "SUCCESS", answer["Reason"]
    assert re.fullmatch("[0-9a-f]{16}", answer["Data"]["Settings"])
    given = created.told["ResourceProperties"]
    assert created.told["ServiceToken"].endswith(f":function:{created.ids['MigrateFunction']}")
    assert created.ids["SubnetA"] in given["Settings"][1], "settings are resolved, or no fingerprint would change"
    assert set(given["After"]) >= {created.ids["S3Endpoint"], created.ids["SecretsManagerEndpoint"]}
