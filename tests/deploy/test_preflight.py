"""What would stop a deployment is named before it begins, with what to do; requests are checked by the real client."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import boto3
import pytest

from deploy.preflight import Account, Finding, findings
from deploy.stages import UnknownStageError, stage

REGION = "eu-west-1"
ZONES = [{"Name": f"{REGION}{letter}"} for letter in "abc"]
MISSING = {"Error": {"Code": "ResourceNotFoundException", "Message": "There is none."}}
WELL: dict[str, Any] = {
    "GetCallerIdentity": {"Arn": "arn:aws:sts::123456789012:assumed-role/deployer/me"},
    "DescribeAvailabilityZones": {"AvailabilityZones": ZONES},
    "GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}},
    "DescribeStacks": {"Error": {"Code": "ValidationError", "Message": "Stack does not exist"}},
    "GetSchedule": MISSING,
    "GetDashboard": {"Error": {"Code": "ResourceNotFound", "Message": "Dashboard does not exist"}},
    "DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1"}]},
    "GetServiceQuota": {"Quota": {"Value": 5.0}},
    "DescribeDBEngineVersions": {"DBEngineVersions": [{"EngineVersion": "8.4.3"}, {"EngineVersion": "8.4.6"}]},
    "DescribeOrderableDBInstanceOptions": {
        "OrderableDBInstanceOptions": [{"AvailabilityZones": ZONES, "MultiAZCapable": True}]
    },
    "DescribeReservedCacheNodesOfferings": {"ReservedCacheNodesOfferings": [{"CacheNodeType": "as asked"}]},
    "GetAccountPlanState": {"accountPlanType": "PAID"},
}
NEW_ACCOUNT: dict[str, Any] = {
    "GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}},
    "GetAccountPlanState": {"accountPlanType": "FREE"},
}


class _Http(NamedTuple):
    status_code: int


_told: dict[str, Any] = {}


@cache
def _client(service: str, region: str) -> Any:
    """Return a real client, which builds and checks each request, and gets for an answer what was told."""
    session: Any = boto3.Session(aws_access_key_id="-", aws_secret_access_key="-", region_name=region)

    def answer(model: Any, **_: object) -> tuple[_Http, Any]:
        parsed = _told[model.name]
        return _Http(400 if "Error" in parsed else 200), parsed

    client = session.client(service)
    client.meta.events.register("before-call", answer)
    return client


def preflight(config: str, told: dict[str, Any] | None = None, region: str = REGION) -> list[Finding]:
    """Return what is found in an account whose services say this."""
    _told.update(WELL | (told or {}))
    return list(findings(Account(stage(config), partial(_client, region=region), region)))


def bad(*args: Any, **kwargs: Any) -> Iterator[str]:
    return (f"{each.what} {each.to_do}" for each in preflight(*args, **kwargs) if not each.fit)


@pytest.mark.parametrize("config", ["try", "dev", "staging", "prod"])
def test_an_account_that_has_all_is_fit_for_every_stage(config: str) -> None:
    assert list(bad(config)) == []


def test_a_new_account_is_fit_to_try_and_not_for_dev() -> None:
    assert list(bad("try", NEW_ACCOUNT)) == []

    executions, plan = bad("dev", NEW_ACCOUNT)

    assert "10 of 10 concurrent executions are unreserved; 165 are needed" in executions
    assert "Ask Service Quotas for 165" in executions
    assert "free plan; the stage wants db.t4g.small" in plan


def test_a_stack_that_stands_has_reserved_its_own_already() -> None:
    standing = {
        "DescribeStacks": {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]},
        "GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 225, "UnreservedConcurrentExecutions": 100}},
    }

    assert list(bad("prod", standing)) == []


@pytest.mark.parametrize(
    ("config", "told", "said"),
    [
        ("dev", {"GetCallerIdentity": {"Arn": "arn:aws:iam::123456789012:root"}}, "Use a role or a user."),
        ("dev", {"DescribeStacks": {"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE"}]}}, "sam delete"),
        ("dev", {"DescribeStacks": {"Stacks": [{"StackStatus": "UPDATE_IN_PROGRESS"}]}}, "Wait until it is done."),
        ("dev", {"GetSchedule": {"Name": "lending-dev-refresh-cache"}}, "schedule lending-dev-refresh-cache already"),
        ("dev", {"GetDashboard": {"DashboardName": "lending-dev"}}, "dashboard lending-dev already"),
        ("dev", {"DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1"}] * 5}}, "5 of 5 VPCs exist."),
        ("dev", {"DescribeDBEngineVersions": {"DBEngineVersions": []}}, "has MySQL 8.4"),
        ("dev", {"DescribeOrderableDBInstanceOptions": {"OrderableDBInstanceOptions": []}}, "db.t4g.small"),
        (
            "prod",
            {
                "DescribeOrderableDBInstanceOptions": {
                    "OrderableDBInstanceOptions": [{"AvailabilityZones": ZONES, "MultiAZCapable": False}]
                }
            },
            "another DbInstanceClass",
        ),
        ("dev", {"DescribeReservedCacheNodesOfferings": {"ReservedCacheNodesOfferings": []}}, "cache.t4g.small"),
        ("dev", {"DescribeAvailabilityZones": {"AvailabilityZones": ZONES[:1]}}, "1 zones"),
        ("prod", {"GetAccountPlanState": {"accountPlanType": "FREE"}}, "upgrade the plan"),
        ("dev", {"DescribeVpcs": {"Error": {"Code": "UnauthorizedOperation", "Message": "No."}}}, "Allow it"),
    ],
)
def test_what_would_stop_a_deployment_is_named_with_what_to_do(config: str, told: dict[str, Any], said: str) -> None:
    [complaint] = bad(config, told)

    assert said in complaint


def test_a_region_whose_databases_the_layer_cannot_verify_is_named() -> None:
    [complaint] = bad("dev", region="il-central-1")

    assert "rds-il-central-1.pem" in complaint


def test_an_account_without_plans_is_asked_no_further() -> None:
    assert list(bad("dev", {"GetAccountPlanState": MISSING})) == []


def test_an_unknown_stage_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownStageError, match="try, dev, staging, prod"):
        stage("production")
