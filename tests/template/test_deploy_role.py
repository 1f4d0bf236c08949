"""The deployment's roles may do what the template's resource types need, and no more; every policy is well formed."""

import json
import re
import warnings
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

from deploy.stages import ROOT, template
from tests.template.concrete import Concrete
from tests.template.conftest import Templates, Tool
from tests.template.scenarios import SCENARIOS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it reads its files by an old package of setuptools
    import parliament  # type: ignore[import-untyped]

ROLES = template(ROOT / "deploy/role.yaml")["Resources"]
POLICIES = ("Functions", "Services", "Data", "Network")
MAX_CHARACTERS = 6144
"""Of a managed policy, without white space."""

# The schemas list what any use of a type may need. These are features that the template does not use.
UNUSED = re.compile(
    r"(autoscaling|elasticfilesystem|s3files|s3tables|vpc-lattice|vpce):.*|"
    r"s3:(Put|Delete|Create|Update)\w*(Accelerate|Analytics|Cors|CORS|Website|Intelligent|Inventory|Metrics)\w*|"
    r"s3:(Put|Delete|Create|Update)\w*(Replication|Metadata|Logging|ObjectLock|Abac|Acl|Ownership)\w*|"
    r"s3:(DeleteObject|TagResource|UntagResource|ListTagsForResource)|"  # of objects, and of other things
    r"iam:(Attach|Detach)(Group|User)Policy|iam:\w*PermissionsBoundary|"
    r"lambda:(Put|Delete|Pass)\w*(CodeSigning|Provisioned|Recursion|Scaling|Capacity|RuntimeManagement)\w*|"
    r"lambda:AssociateRuntimeAlias|"
    r"logs:(Put|Delete)\w*(DataProtection|Index|Bearer|DeletionProtection)\w*|"
    r"logs:(PutLogEvents|CreateLogStream)|firehose:PutRecord(Batch)?|kms:Encrypt|"  # what the stack does itself
    r"sns:PutDataProtectionPolicy|codedeploy:RegisterOnPremisesInstance|"
    r"rds:\w*(ReadReplica|BackupsReplication|RoleToDBInstance|RoleFromDBInstance|ToPointInTime)|"
    r"ec2:(CreateVpcEncryptionControl|ModifyVpcTenancy|AssociateSubnetCidrBlock|DisassociateSubnetCidrBlock)|"
    r"ec2:DescribeInstances"
)
NO_ACTIONS = {
    # names of other things that the schemas list among the actions
    *("s3:getObject", "s3:REST.PUT.OBJECT", "s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle"),
    *("apigateway:TagResource", "apigateway:UntagResource"),
}
BESIDE = {"lambda:InvokeFunction"}
"""By CloudFormation, for the resource Schema."""
MEANT = re.compile(
    # Actions that the schemas know and parliament's list does not yet.
    r"UNKNOWN_ACTION .*(GetBillingViewData|VpcEncryptionControls|GetFunctionScalingConfig|GetBucketAbac)"
    # As SAM's documentation has it, to limit the probe to the stack's own deployments.
    r"|RESOURCE_MISMATCH \[{'action': 'codedeploy:PutLifecycleEventHookExecutionStatus', 'required_format': '\*'}\]$"
    # Lambda makes network interfaces in its own names, and the deny of them is by Lambda's own condition.
    r"|RESOURCE_STAR \['ec2:AssignPrivateIpAddresses', .*'ec2:UnassignPrivateIpAddresses'\]$"
    r"|UNKNOWN_CONDITION_FOR_ACTION Unknown condition lambda:SourceFunctionArn "
    # Whoever deploys the stack's buckets decides who reads them.
    r"|RESOURCE_POLICY_PRIVILEGE_ESCALATION .*s3:Put(BucketPolicy|LifecycleConfiguration)$"
    # SAM's transform belongs to AWS, not to an account.
    r"|INVALID_ARN Account expected"
)
BY_SAM = {"RefreshCacheFunctionEveryMinuteRole"}
"""Its policy is SAM's own, which names no version."""


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed() -> set[str]:
    """Return the actions of CloudFormation's role."""
    statements = [each for name in POLICIES for each in ROLES[name]["Properties"]["PolicyDocument"]["Statement"]]
    return {action for each in statements for action in listed(each["Action"])}


@pytest.fixture(scope="session")
def needed(sam_tool: Tool, templates: Templates) -> dict[str, set[str]]:
    """The actions of each resource type that any stack has, as its schema lists them."""
    kinds = {resource["Type"] for each in SCENARIOS.values() for resource in templates.stack(each).resources.values()}
    found = sam_tool("permissions", sorted(kinds - {"Custom::Schema"}))
    return {kind: set(actions) for kind, actions in found}


def test_the_role_may_do_what_each_resource_type_needs(needed: dict[str, set[str]]) -> None:
    granted = allowed()

    lacking = {
        kind: sorted(action for action in actions - granted - NO_ACTIONS if not UNUSED.fullmatch(action))
        for kind, actions in needed.items()
    }

    assert {kind: actions for kind, actions in lacking.items() if actions} == {}
    assert all(needed.values()), "a type without a list would need nothing"


def test_the_role_may_do_nothing_that_no_resource_type_needs(needed: dict[str, set[str]]) -> None:
    everything = set[str]().union(*needed.values())

    assert allowed() - everything == BESIDE
    assert not [action for action in allowed() if "*" in action or UNUSED.fullmatch(action)]


def test_what_makes_roles_reaches_the_stacks_own_alone() -> None:
    """Else it could make itself, or anybody, an administrator."""
    for name in POLICIES:
        for statement in ROLES[name]["Properties"]["PolicyDocument"]["Statement"]:
            writing = [each for each in listed(statement["Action"]) if re.match(r"iam:(?!Get|List)", each)]
            if writing and writing != ["iam:CreateServiceLinkedRole"]:
                assert re.search(r":(role|policy)/\$\{Stack\}-\*$", statement["Resource"]["Fn::Sub"]), statement
    own_names = [each["Properties"].get("RoleName") or each["Properties"].get("ManagedPolicyName") for each in owned()]
    assert all(name["Fn::Sub"].startswith("deploy-${Stack}-") for name in own_names)


@pytest.mark.parametrize("scenario", ["dev", "prod with a proxy"])
def test_the_role_may_write_the_dashboard_by_its_name(scenario: str, stacks: dict[str, Concrete]) -> None:
    [allowed] = [
        statement["Resource"]["Fn::Sub"].partition(":dashboard/")[2].replace("${Stack}", "lending-prod")
        for name in POLICIES
        for statement in ROLES[name]["Properties"]["PolicyDocument"]["Statement"]
        if "cloudwatch:PutDashboard" in statement["Action"]
    ]
    [dashboard] = stacks[scenario].of_type("AWS::CloudWatch::Dashboard").values()
    name = dashboard["DashboardName"]
    text = name["Fn::Sub"] if "Fn::Sub" in name else f"${{{name['Ref']}}}"

    assert fnmatch(text.replace("${AWS::StackName}", "lending-prod"), allowed)


def owned() -> list[dict[str, Any]]:
    return [each for each in ROLES.values() if each["Type"] != "AWS::IAM::OIDCProvider"]


def test_only_one_environment_of_one_repository_may_deploy() -> None:
    [trust] = ROLES["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_not_too_long_for_iam(name: str) -> None:
    document = json.dumps(ROLES[name]["Properties"]["PolicyDocument"])

    assert len(re.sub(r"\s", "", document)) < MAX_CHARACTERS


def texts(value: Any) -> Any:
    """Return a policy as text that IAM would see, with names in place of what only AWS knows."""
    if isinstance(value, list):
        return [texts(each) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Fn::Sub"}:
        text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
        text = text.replace("${AWS::Partition}", "aws").replace("${AWS::Region}", "eu-west-1")
        text = text.replace("${AWS::AccountId}", "123456789012")
        text = re.sub(r"\$\{(\w+)\.Arn\}", lambda found: arn(found[1]), text)
        return re.sub(r"\$\{[^}]+\}", "name", text)
    if set(value) == {"Fn::GetAtt"}:
        given = value["Fn::GetAtt"]
        return arn(given.partition(".")[0] if isinstance(given, str) else given[0])
    if set(value) == {"Ref"}:
        return arn(value["Ref"])
    return {name: texts(each) for name, each in value.items()}


def arn(name: str) -> str:
    """Return an ARN of the kind of resource that a name in a template means."""
    begins = {
        "AWS::AccountId": "123456789012",
        "AWS::Region": "eu-west-1",
        **dict.fromkeys(("Files", "Archive"), "arn:aws:s3:::name"),
        "Key": "arn:aws:kms:eu-west-1:123456789012:key/name",
        "Alarms": "arn:aws:sns:eu-west-1:123456789012:name",
        "ArchiveStream": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/name",
        "CacheUser": "arn:aws:elasticache:eu-west-1:123456789012:user:name",
        "CacheCluster": "arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:name",
        "ServerlessCache": "arn:aws:elasticache:eu-west-1:123456789012:serverlesscache:name",
        "Database": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:name",
        "CloudFormationRole": "arn:aws:iam::123456789012:role/name",
    }
    if name in begins:
        return begins[name]
    if name.endswith("Logs"):
        return "arn:aws:logs:eu-west-1:123456789012:log-group:name:*"
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"


def identity_policies(resources: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] in {"AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"}:
            yield name, properties["PolicyDocument"]
        if resource["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", []) if name not in BY_SAM else []:
                yield name, policy["PolicyDocument"]


def found_wrong(document: Any) -> list[str]:
    policy = parliament.analyze_policy_string(json.dumps(texts(document)), ignore_private_auditors=True)
    found = [f"{finding.issue} {finding.detail}" for finding in policy.findings]
    return [each for each in found if not MEANT.match(each)]


@pytest.mark.parametrize("scenario", ["prod", "prod with a proxy", "own everything"])
def test_the_stacks_policies_are_well_formed(scenario: str, stacks: dict[str, Concrete]) -> None:
    wrong = {name: found_wrong(document) for name, document in identity_policies(stacks[scenario].resources)}

    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_deployments_policies_are_well_formed() -> None:
    wrong = {name: found_wrong(document) for name, document in identity_policies(ROLES)}

    assert {name: found for name, found in wrong.items() if found} == {}


def test_parliament_notices_what_is_wrong() -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObjects", "Resource": "arn:aws:sns:eu-west-1:123456789012:name"}

    assert found_wrong({"Version": "2012-10-17", "Statement": [statement]})
    statement["Action"] = "s3:GetObject"
    assert found_wrong({"Version": "2012-10-17", "Statement": [statement]})
