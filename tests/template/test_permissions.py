"""Each role may do all that it needs, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from db.accounts import BY_IAM
from tests.template.concrete import Concrete

ROLES = ["CheckEligibilityRole", "CreateLoanRole", "RefreshCacheRole", "MigrateRole", "ImportRole"]
CANNOT_BE_NAMED = {
    # network interfaces are made by Lambda under names of their own; traces have none
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
}
FILES = {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "kms:GenerateDataKey"}

Statement = dict[str, Any]


def statements_of(stack: Concrete, role: str) -> Iterator[Statement]:
    """Yield the statements of a role's policies, its managed ones included."""
    properties = stack.resources[role]["Properties"]
    for policy in properties.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]
    for policy in stack.of_type("AWS::IAM::RolePolicy").values():
        if policy["RoleName"] == {"Ref": role}:
            yield from policy["PolicyDocument"]["Statement"]
    for reference in properties.get("ManagedPolicyArns", []):
        if isinstance(reference, dict) and "Ref" in reference:
            yield from stack.resources[reference["Ref"]]["Properties"]["PolicyDocument"]["Statement"]


def allowed(stack: Concrete, role: str) -> list[Statement]:
    return [statement for statement in statements_of(stack, role) if statement["Effect"] == "Allow"]


def actions(statement: Statement) -> set[str]:
    given = statement["Action"]
    return {given} if isinstance(given, str) else set(given)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("role", ROLES)
def test_only_what_has_no_name_is_allowed_everywhere(role: str, stack: Concrete) -> None:
    for statement in allowed(stack, role):
        if "*" in listed(statement["Resource"]):
            assert actions(statement) <= CANNOT_BE_NAMED
        assert not [action for action in actions(statement) if "*" in action]


@pytest.mark.parametrize("role", ROLES)
def test_a_function_may_do_no_more_than_it_needs(role: str, stack: Concrete) -> None:
    own_store = "Database" not in stack.resources or "Cache" not in stack.resources
    needed = CANNOT_BE_NAMED | {
        *("logs:CreateLogStream", "logs:PutLogEvents"),
        *({"secretsmanager:GetSecretValue", "kms:Decrypt"} if role == "MigrateRole" or own_store else set()),
        *(set() if role == "MigrateRole" else {"rds-db:connect", "elasticache:Connect"}),
        *(FILES | {"kms:Decrypt"} if role == "ImportRole" else set()),
    }

    assert {action for statement in allowed(stack, role) for action in actions(statement)} <= needed


@pytest.mark.parametrize("role", ROLES)
def test_a_function_writes_to_its_own_log_alone(role: str, stack: Concrete) -> None:
    name = role.removesuffix("Role")
    [statement] = [each for each in allowed(stack, role) if "logs:PutLogEvents" in actions(each)]

    assert statement["Resource"] == {"Fn::GetAtt": [f"{name}Logs", "Arn"]}
    assert stack.resources[f"{name}Function"]["Properties"]["LoggingConfig"] == {"LogGroup": {"Ref": f"{name}Logs"}}
    assert stack.resources[f"{name}Function"]["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", ["dev", "own database, with a key and a security group"])
def test_a_role_that_reads_the_databases_secret_may_decrypt_it(
    name: str, role: str, stacks: dict[str, Concrete]
) -> None:
    """Without the right to its customer managed key, a secret is refused, and the error does not mention the key."""
    granted = allowed(stacks[name], role)
    secrets = [each["Resource"] for each in granted if "secretsmanager:GetSecretValue" in actions(each)]
    keys = [each for each in granted if "kms:Decrypt" in actions(each) and each.get("Sid") != "KeyOfTheFiles"]

    assert len(secrets) == (1 if name.startswith("own") or role == "MigrateRole" else 0)
    assert [each["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"] for each in keys] == secrets


def test_the_key_of_the_secret_is_the_key_that_is_granted(stacks: dict[str, Concrete]) -> None:
    stack = stacks["dev"]
    secret = stack.resources["Database"]["Properties"]["MasterUserSecret"]

    [key] = [each for each in allowed(stack, "MigrateRole") if "kms:Decrypt" in actions(each)]

    assert key["Resource"] == secret["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}


def database_users(stack: Concrete, role: str) -> list[str]:
    """Return whom a role may log in to a database as, each `resource id/account`."""
    resources = [each["Resource"] for each in allowed(stack, role) if "rds-db:connect" in actions(each)]
    texts = [each["Fn::Sub"] for resource in resources for each in listed(resource)]
    users = [text if isinstance(text, str) else text[0] for text in texts]
    begin = "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:"
    assert all(user.startswith(begin) for user in users)
    return [user.removeprefix(begin) for user in users]


AS_FUNCTIONS = "${Database.DbiResourceId}/lending_functions"


def test_each_function_logs_in_to_a_new_database_by_iam_as_its_own_account(stacks: dict[str, Concrete]) -> None:
    """The names are those of the accounts that the migration makes."""
    stack = stacks["dev"]
    variables = {
        name: stack.resources[f"{name}Function"]["Properties"]["Environment"]["Variables"]
        for name in (role.removesuffix("Role") for role in ROLES)
    }

    assert stack.resources["Database"]["Properties"]["EnableIAMDatabaseAuthentication"] is True
    assert variables["Migrate"]["DB_ACCOUNTS"] == "iam"
    assert variables["Migrate"]["DB_SECRET_ID"] == {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]}
    for name, account in (
        *[(each, BY_IAM.functions) for each in ("CheckEligibility", "CreateLoan", "RefreshCache")],
        ("Import", BY_IAM.importer),
        ("Migrate", ""),
    ):
        assert variables[name]["DB_IAM_USER"] == account
        assert database_users(stack, f"{name}Role") == ([f"${{Database.DbiResourceId}}/{account}"] if account else [])
        assert variables[name]["DB_SECRET_ID"] == ("" if account else variables["Migrate"]["DB_SECRET_ID"])


def test_a_proxy_needs_no_secret_either(stacks: dict[str, Concrete]) -> None:
    """It passes the functions' account on, by IAM; migration and import go past it."""
    stack = stacks["prod with a proxy"]
    proxy = stack.resources["DbProxy"]["Properties"]

    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert proxy["RequireTLS"] is True
    assert "Auth" not in proxy
    assert [actions(each) for each in allowed(stack, "DbProxyRole")] == [{"rds-db:connect"}]
    assert database_users(stack, "DbProxyRole") == [AS_FUNCTIONS]
    assert database_users(stack, "CreateLoanRole") == [AS_FUNCTIONS, "${ProxyId}/lending_functions"]
    assert database_users(stack, "ImportRole") == ["${Database.DbiResourceId}/lending_importer"]


def test_your_own_database_is_entered_by_its_secret(stacks: dict[str, Concrete]) -> None:
    stack = stacks["own database"]

    for role in ROLES:
        variables = stack.resources[role.replace("Role", "Function")]["Properties"]["Environment"]["Variables"]
        assert (variables["DB_IAM_USER"], variables.get("DB_ACCOUNTS", "")) == ("", "")
        assert variables["DB_SECRET_ID"] in [each["Resource"] for each in allowed(stack, role)]
        assert database_users(stack, role) == []


@pytest.mark.parametrize("role", ["CheckEligibilityRole", "CreateLoanRole", "RefreshCacheRole"])
def test_the_functions_may_log_in_to_the_cache_as_its_user(role: str, stacks: dict[str, Concrete]) -> None:
    """ElastiCache checks both: the cache and the user that logs in."""
    for name in ("dev", "cache cluster", "serverless cache"):
        stack = stacks[name]
        [connect] = [each for each in allowed(stack, role) if "elasticache:Connect" in actions(each)]
        cache, user = connect["Resource"]
        variables = stack.resources["CreateLoanFunction"]["Properties"]["Environment"]["Variables"]
        assert user == {"Fn::GetAtt": ["CacheUser", "Arn"]}
        assert variables["REDIS_IAM_USER"] == {"Ref": "CacheUser"}
        if name == "serverless cache":
            assert cache == {"Fn::GetAtt": ["ServerlessCache", "ARN"]}
        else:
            arn, given = cache["Fn::Sub"]
            assert arn.endswith(":replicationgroup:${Name}")
            assert given["Name"] == variables["REDIS_IAM_CACHE"]


def test_your_own_caches_secret_may_be_read_and_decrypted(stacks: dict[str, Concrete]) -> None:
    stack = stacks["own cache, with a secret, a key and a security group"]
    variables = stack.resources["CreateLoanFunction"]["Properties"]["Environment"]["Variables"]
    granted = allowed(stack, "CreateLoanRole")

    secrets = [each["Resource"] for each in granted if "secretsmanager:GetSecretValue" in actions(each)]
    contexts = [
        each["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"]
        for each in granted
        if "kms:Decrypt" in actions(each)
    ]

    assert variables["REDIS_SECRET_ID"] in secrets
    assert variables["REDIS_SECRET_ID"] in contexts


def test_the_flow_log_may_do_what_its_guide_asks_for(stacks: dict[str, Concrete]) -> None:
    """VPC's user guide, "Publish flow logs to CloudWatch Logs"; no group is made, for there is one."""
    [policy] = stacks["dev"].resources["FlowLogRole"]["Properties"]["Policies"]
    write, find = policy["PolicyDocument"]["Statement"]

    assert set(write["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"}
    assert write["Resource"] == {"Fn::GetAtt": ["NetworkLogs", "Arn"]}
    assert (find["Action"], find["Resource"]) == ("logs:DescribeLogGroups", "*")


def test_the_key_serves_every_service_that_encrypts_with_it(stack: Concrete) -> None:
    """Services that act for themselves, not for a caller, need the key's own policy: nothing says so when they fail."""
    granted = {
        str(statement["Principal"].get("Service")): statement
        for statement in stack.resources["Key"]["Properties"]["KeyPolicy"]["Statement"]
    }

    encrypted_logs = [each for each in stack.of_type("AWS::Logs::LogGroup").values() if "KmsKeyId" in each]
    [logs] = [statement for service, statement in granted.items() if "logs." in service]
    assert encrypted_logs
    assert [each for each in encrypted_logs if "LogGroupName" in each] == [], "the key is for the stack's own names"
    assert logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]["Fn::Sub"].endswith(
        ":log-group:${AWS::StackName}-*"
    )
    assert stack.resources["Alarms"]["Properties"]["KmsMasterKeyId"] == {"Ref": "Key"}
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= actions(
        granted[str(["cloudwatch.amazonaws.com", "events.rds.amazonaws.com", "budgets.amazonaws.com"])]
    )


def test_every_route_may_call_its_function_by_the_live_alias(stack: Concrete) -> None:
    permissions = {
        (str(each["FunctionName"]["Ref"]), each["SourceArn"]["Fn::Sub"].partition("${HttpApi}")[2])
        for each in stack.of_type("AWS::Lambda::Permission").values()
        if each["Principal"] == "apigateway.amazonaws.com"
    }

    assert permissions == {
        ("CheckEligibilityFunctionAliaslive", "/*/POST/check-eligibility"),
        ("CheckEligibilityFunctionAliaslive", "/*/$default"),
        ("CreateLoanFunctionAliaslive", "/*/POST/create-loan"),
    }


def test_the_schedule_may_call_the_refresh_and_nothing_else(stack: Concrete) -> None:
    schedule = stack.resources["RefreshCacheFunctionEveryMinute"]["Properties"]
    role = schedule["Target"]["RoleArn"]["Fn::GetAtt"][0]

    [statement] = allowed(stack, role)

    assert actions(statement) == {"lambda:InvokeFunction"}
    assert statement["Resource"] == schedule["Target"]["Arn"] == {"Ref": "RefreshCacheFunctionAliaslive"}


def test_the_import_reads_what_was_put_there_and_writes_reports_alone(stack: Concrete) -> None:
    """So nothing that it writes starts another import."""
    reach = {
        action: listed(each["Resource"])
        for each in allowed(stack, "ImportRole")
        for action in actions(each) & FILES
        if action.startswith("s3:")
    }
    [rule] = stack.resources["Files"]["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]

    assert reach["s3:GetObject"] == [{"Fn::Sub": "${Files.Arn}/imports/*"}]
    assert reach["s3:PutObject"] == reach["s3:DeleteObject"] == [{"Fn::Sub": "${Files.Arn}/reports/*"}]
    assert rule["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "imports/"}]


def test_the_way_to_s3_is_open_for_the_stacks_own_bucket_alone(stacks: dict[str, Concrete]) -> None:
    stack = stacks["dev"]
    own, *_ = [
        each
        for each in stack.resources["S3Endpoint"]["Properties"]["PolicyDocument"]["Statement"]
        if "s3:GetObject" in each["Action"]
    ]

    assert own["Resource"] == [{"Fn::GetAtt": ["Files", "Arn"]}, {"Fn::Sub": "${Files.Arn}/*"}]
    assert own["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}


def test_the_probe_may_call_both_functions_and_report_to_their_deployments_alone(stack: Concrete) -> None:
    reach = {action: listed(each["Resource"]) for each in allowed(stack, "ProbeRole") for action in actions(each)}

    assert reach.pop("lambda:InvokeFunction") == [
        {"Fn::Sub": "${CheckEligibilityFunction.Arn}:*"},
        {"Fn::Sub": "${CreateLoanFunction.Arn}:*"},
    ]
    [groups] = reach.pop("codedeploy:PutLifecycleEventHookExecutionStatus")
    assert groups["Fn::Sub"].endswith(":deploymentgroup:${ServerlessDeploymentApplication}/*")
    assert set(reach) == {
        *("logs:CreateLogStream", "logs:PutLogEvents"),
        *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    }
    [hook] = allowed(stack, "DeploymentRole")
    assert (actions(hook), hook["Resource"]) == ({"lambda:InvokeFunction"}, {"Fn::GetAtt": ["ProbeFunction", "Arn"]})
