"""A protected stack cannot be deleted or lose its data, and `make environment` tells all that an import needs."""

import json

import boto3
import pytest
from botocore.stub import Stubber

from deploy.environment import exports
from deploy.protect import ALLOW_ALL, POLICY, protect
from deploy.stages import template
from testkit.template import functions


@pytest.mark.parametrize("on", [True, False])
def test_protection_is_from_deletion_and_from_updates_that_lose_data(*, on: bool) -> None:
    cloudformation = boto3.client("cloudformation", region_name="eu-west-1")
    policy = POLICY if on else ALLOW_ALL
    with Stubber(cloudformation) as aws:
        given = {"StackName": "lending-prod", "EnableTerminationProtection": on}
        aws.add_response("update_termination_protection", {}, given)
        aws.add_response("set_stack_policy", {}, {"StackName": "lending-prod", "StackPolicyBody": policy})

        protect(cloudformation, "lending-prod", on=on)

        aws.assert_no_pending_responses()
    assert ("Deny" in policy) == on


def test_what_holds_data_is_what_an_update_may_not_replace() -> None:
    """What the template itself would keep when the stack goes."""
    kept = {
        name for name, each in template()["Resources"].items() if each.get("DeletionPolicy") not in {None, "Delete"}
    }
    _, deny = json.loads(POLICY)["Statement"]

    assert {each.removeprefix("LogicalResourceId/") for each in deny["Resource"]} == kept
    assert deny["Action"] == ["Update:Replace", "Update:Delete"]


def test_an_import_gets_all_that_the_import_function_has() -> None:
    """Whatever the template gives it: a list of outputs would have to be kept in step."""
    variables = dict.fromkeys(functions()["ImportFunction"]["Environment"]["Variables"], "given")

    told = list(exports(variables | {"DB_TLS_CA": "/opt/certificates/rds-eu-west-1.pem"}, "eu-west-1"))

    stores = {name for name in variables if name.startswith(("DB_", "REDIS_"))}
    assert len(stores) > 10
    assert stores <= {each.split()[1].partition("=")[0] for each in told}
    assert "export DB_TLS_CA=layers/common/certificates/rds-eu-west-1.pem" in told
    assert "export AWS_DEFAULT_REGION=eu-west-1" in told
