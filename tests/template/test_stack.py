"""The stack is safe by default, ready for failures in production, and has no names that clash."""

import json
import re
from typing import Any

import pytest

from deploy.stages import stage
from testkit.template import functions, reserved_executions, template
from tests.template.concrete import Concrete
from tests.template.conftest import Templates
from tests.template.scenarios import SCENARIOS

BEFORE_THEIR_STORES = {"FunctionsToCacheIn"}
"""What the cache waits for. The functions wait for the cache."""
REFERENCE = re.compile(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)')
CACHES = {"AWS::ElastiCache::ReplicationGroup", "AWS::ElastiCache::ServerlessCache"}
API_FUNCTIONS = ["CheckEligibilityFunction", "CreateLoanFunction", "RefreshCacheFunction"]


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_new_code_waits_for_its_schema(name: str, stack: Concrete) -> None:
    assert stack.resources[name]["DependsOn"] in ("Schema", ["Schema"])


def test_the_schema_follows_the_migrations(stack: Concrete) -> None:
    schema = stack.resources["Schema"]["Properties"]

    assert schema["MigrateVersion"]["Ref"].startswith("MigrateFunctionVersion")
    assert stack.resources["MigrateFunction"]["Properties"]["Timeout"] < schema["ServiceTimeout"] <= 3600


def test_the_schema_waits_for_the_ways_that_it_needs(stack: Concrete) -> None:
    """Without them a first deployment would sometimes fail, and a deletion would wait an hour for an answer."""
    after = {each["Ref"] for each in stack.resources["Schema"]["Properties"]["After"]}
    needed = {
        name
        for name in stack.resources
        if name in {"SecretsManagerEndpoint", "S3Endpoint", "SubnetARoutes", "SubnetBRoutes"}
        or (name.startswith(("FunctionsTo", "YourDatabase", "YourCache")) and "Proxy" not in name)
    } - BEFORE_THEIR_STORES

    assert after == needed


def waits_for(stack: Concrete, name: str) -> set[str]:
    """Return all resources that are made before one."""
    found: set[str] = set()
    wanted = [name]
    while wanted:
        resource = stack.resources[wanted.pop()]
        depends = resource.get("DependsOn", [])
        text = json.dumps({part: resource.get(part, {}) for part in ("Properties", "Metadata")})
        named = {match[match.lastindex or 0] for match in REFERENCE.finditer(text)}
        named |= {depends} if isinstance(depends, str) else set(depends)
        new = named & stack.resources.keys() - found
        found |= new
        wanted += new
    return found


def test_the_proxys_targets_wait_for_the_account_and_the_functions_for_the_targets(stacks: dict[str, Concrete]) -> None:
    """RDS may look whether the proxy can log in, and the migration makes the account by which it does."""
    stack = stacks["prod with a proxy"]
    of_targets = waits_for(stack, "DbProxyTargets")

    assert {"Schema", "Database", "ProxyToDatabaseOut", "ProxyToDatabaseIn"} <= of_targets
    assert "DbProxyTargets" not in of_targets, "a circle"
    assert not {"DbProxyTargets", "FunctionsToProxyOut", "ProxyToDatabaseOut"} & waits_for(stack, "Schema")
    for name in API_FUNCTIONS:
        assert {"Schema", "DbProxyTargets", "FunctionsToProxyOut", "FunctionsToProxyIn"} <= waits_for(stack, name)


def test_the_migration_goes_past_the_proxy(stacks: dict[str, Concrete]) -> None:
    resources = stacks["prod with a proxy"].resources

    def host(function: str) -> Any:
        return resources[function]["Properties"]["Environment"]["Variables"]["DB_HOST"]

    assert host("CreateLoanFunction") == {"Fn::GetAtt": ["DbProxy", "Endpoint"]}
    assert host("MigrateFunction") == {"Fn::GetAtt": ["Database", "Endpoint.Address"]}


def test_the_layer_has_the_authorities_of_the_database(stacks: dict[str, Concrete]) -> None:
    def bundle(stack: str, function: str) -> Any:
        return stacks[stack].resources[function]["Properties"]["Environment"]["Variables"]["DB_TLS_CA"]

    of_the_region = {"Fn::Sub": "/opt/certificates/rds-${AWS::Region}.pem"}
    assert bundle("dev", "CreateLoanFunction") == bundle("dev", "MigrateFunction") == of_the_region
    assert bundle("prod with a proxy", "CreateLoanFunction") == "/opt/certificates/amazon-trust-services.pem"
    assert bundle("prod with a proxy", "MigrateFunction") == of_the_region
    own = "own database, with a key and a security group"
    assert bundle(own, "CreateLoanFunction") == bundle(own, "MigrateFunction") == "/opt/certificates/own.pem"


def variables(stack: Concrete, function: str = "CreateLoanFunction") -> dict[str, Any]:
    return dict(stack.resources[function]["Properties"]["Environment"]["Variables"])


def test_all_functions_name_the_database_alike_and_a_restored_one_otherwise(stacks: dict[str, Concrete]) -> None:
    """Whatever leads to it: entries of the database before a restore are misses from then on."""
    for name in ("dev", "prod with a proxy", "restored"):
        marks = [variables(stacks[name], function)["DB_MARK"] for function in API_FUNCTIONS]
        assert marks == [{"Fn::GetAtt": ["Database", "DbiResourceId"]}] * 3
    assert variables(stacks["own database"])["DB_MARK"] == "", "where it is"
    assert variables(stacks["own database, restored in its place"])["DB_MARK"] == "restored-2026-11-25"


def test_your_own_redis_may_be_shared_and_have_an_authority_of_its_own(stacks: dict[str, Concrete]) -> None:
    own = variables(stacks["own cache, shared, with an authority of its own"])

    assert own["REDIS_KEY_PREFIX"] == "lending-staging:"
    assert own["REDIS_TLS_CA"] == "/opt/certificates/own.pem"
    assert variables(stacks["dev"])["REDIS_TLS_CA"] == "", "ElastiCache's are public authorities"


def test_the_refresh_sweeps_as_often_as_it_is_told(templates: Templates) -> None:
    swept = [variables(templates.stack(each), "RefreshCacheFunction")["SWEEP_SECONDS"] for each in SCENARIOS.values()]

    assert set(swept) == {"1", "60"}


def test_every_route_wants_a_signature_or_a_token(stack: Concrete) -> None:
    routes = stack.of_type("AWS::ApiGatewayV2::Route").values()
    with_tokens = bool(stack.of_type("AWS::ApiGatewayV2::Authorizer"))

    assert len(routes) == 3
    assert {route["AuthorizationType"] for route in routes} == {"JWT" if with_tokens else "AWS_IAM"}
    assert all(("AuthorizerId" in route) == with_tokens for route in routes)


def test_the_api_is_throttled(stack: Concrete) -> None:
    settings = stack.resources["ApiStage"]["Properties"]["DefaultRouteSettings"]

    assert int(settings["ThrottlingRateLimit"]) > 0
    assert int(settings["ThrottlingBurstLimit"]) > 0


def test_the_database_is_encrypted_private_and_entered_by_tls_and_a_rotated_secret(stacks: dict[str, Concrete]) -> None:
    for stack in stacks.values():
        for database in stack.of_type("AWS::RDS::DBInstance").values():
            assert (database["Engine"], database.get("EngineVersion", "8.4")) == ("mysql", "8.4")
            assert database.get("StorageEncrypted", "as the snapshot") in (True, "as the snapshot")
            assert ("StorageEncrypted" in database) == ("DBSnapshotIdentifier" not in database)
            assert database["PubliclyAccessible"] is False
            assert database["ManageMasterUserPassword"] is True
            assert "MasterUserPassword" not in database
        for group in stack.of_type("AWS::RDS::DBParameterGroup").values():
            assert group["Parameters"]["require_secure_transport"] == "1"
            assert group["Parameters"]["log_bin_trust_function_creators"] == "1", "or no trigger can be made"


def test_production_survives_the_loss_of_a_zone_and_of_a_hand_that_slips(stacks: dict[str, Concrete]) -> None:
    database = stacks["prod"].resources["Database"]
    cache = stacks["prod"].resources["Cache"]["Properties"]

    assert database["Properties"]["MultiAZ"] is True
    assert database["Properties"]["DeletionProtection"] is True
    assert database["Properties"]["BackupRetentionPeriod"] >= 7
    assert database["DeletionPolicy"] == database["UpdateReplacePolicy"] == "Snapshot"
    assert (cache["NumCacheClusters"], cache["AutomaticFailoverEnabled"], cache["MultiAZEnabled"]) == (2, True, True)


def test_the_cache_has_tls_and_the_right_eviction(stacks: dict[str, Concrete]) -> None:
    for stack in stacks.values():
        for cache in stack.of_type("AWS::ElastiCache::ReplicationGroup").values():
            assert cache["TransitEncryptionEnabled"] is True
            assert cache["TransitEncryptionMode"] == "required"
            assert cache["AtRestEncryptionEnabled"] is True
            sharded = "NumNodeGroups" in cache
            [group] = stack.of_type("AWS::ElastiCache::ParameterGroup").values()
            assert group["Properties"] == {
                "maxmemory-policy": "allkeys-lru",
                "cluster-enabled": "yes" if sharded else "no",
            }


@pytest.mark.parametrize(
    ("name", "cache", "host", "database"),
    [
        ("dev", "Cache", "PrimaryEndPoint.Address", "1"),
        ("cache cluster", "CacheCluster", "ConfigurationEndPoint.Address", 0),
        ("serverless cache", "ServerlessCache", "Endpoint.Address", 0),
    ],
)
def test_the_functions_use_the_cache_of_the_mode(
    name: str, cache: str, host: str, database: object, stacks: dict[str, Concrete]
) -> None:
    stack = stacks[name]
    given = variables(stack)

    caches = {each for each in stack.resources if stack.resources[each]["Type"] in CACHES}
    assert caches == {cache}
    assert given["REDIS_HOST"] == {"Fn::GetAtt": [cache, host]}
    assert (given["REDIS_DB"], given["REDIS_TLS"], given["REDIS_PORT"]) == (database, "true", 6379)
    assert given["REDIS_IAM_CACHE"] == {"Ref": cache}
    assert given["REDIS_IAM_SERVERLESS"] == ("true" if cache == "ServerlessCache" else "false")
    settings = stack.resources["Schema"]["Properties"]["Settings"]
    assert given["REDIS_HOST"] in settings, "another cache is another version of the functions"


def test_a_cluster_gets_its_shards_and_another_number_of_them_in_place(stacks: dict[str, Concrete]) -> None:
    with_replicas = stacks["cache cluster"].resources["CacheCluster"]
    without = stacks["cache cluster without replicas"].resources["CacheCluster"]["Properties"]

    given = with_replicas["Properties"]
    assert (given["NumNodeGroups"], given["ReplicasPerNodeGroup"], given["MultiAZEnabled"]) == ("3", "1", True)
    assert (without["NumNodeGroups"], without["ReplicasPerNodeGroup"], without["MultiAZEnabled"]) == ("12", "0", False)
    assert given["AutomaticFailoverEnabled"] is without["AutomaticFailoverEnabled"] is True
    assert with_replicas["UpdatePolicy"] == {"UseOnlineResharding": True}


def test_a_serverless_cache_has_its_limits_key_users_and_network(stacks: dict[str, Concrete]) -> None:
    given = stacks["serverless cache"].resources["ServerlessCache"]["Properties"]

    limits = given["CacheUsageLimits"]
    assert limits == {"DataStorage": {"Maximum": "5", "Unit": "GB"}, "ECPUPerSecond": {"Maximum": "15000"}}
    assert given["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}
    assert given["UserGroupId"] == {"Ref": "CacheUsers"}
    assert given["SecurityGroupIds"] == [{"Ref": "CacheSecurityGroup"}]
    assert len(given["SubnetIds"]) == 2


def test_only_those_who_log_in_use_the_cache(stacks: dict[str, Concrete]) -> None:
    for name in ("dev", "cache cluster", "serverless cache"):
        [user] = stacks[name].of_type("AWS::ElastiCache::User").values()
        [group] = stacks[name].of_type("AWS::ElastiCache::UserGroup").values()
        assert user["AuthenticationMode"] == {"Type": "iam"}
        assert user["UserId"] == user["UserName"]
        assert (user["Engine"], group["Engine"], group["UserIds"]) == ("valkey", "valkey", [{"Ref": "CacheUser"}])


TO_S3 = {"MigrateSecurityGroup", "ImportSecurityGroup"}


def test_a_new_network_lets_nothing_in_and_only_the_migration_and_the_import_out(stacks: dict[str, Concrete]) -> None:
    stack = stacks["prod with a proxy"]
    open_to_all = [
        rule for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values() if "SourceSecurityGroupId" not in rule
    ]
    out = [rule for rule in stack.of_type("AWS::EC2::SecurityGroupEgress").values() if "CidrIp" in rule]

    assert open_to_all == out == []
    assert not {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"} & {
        each["Type"] for each in stack.resources.values()
    }
    for name, group in stack.of_type("AWS::EC2::SecurityGroup").items():
        [rule] = group["SecurityGroupEgress"]
        assert rule["CidrIp"] == ("0.0.0.0/0" if name in TO_S3 else "127.0.0.1/32")


def test_two_stacks_in_one_account_do_not_clash(stack: Concrete) -> None:
    """A name that we choose must contain the stack's name."""
    own_names = ("DBProxyName", "DashboardName", "GroupName", "RoleName", "UserGroupId", "UserId", "UserName")
    for name, resource in stack.resources.items():
        for key in (*own_names, "Name", "TopicName", "FunctionName", "LogGroupName"):
            value = resource.get("Properties", {}).get(key)
            inside_the_stack = resource["Type"] in {
                "AWS::Lambda::Alias",
                "AWS::ApiGatewayV2::Authorizer",
                "Custom::Schema",
            }
            if value is None or value == "default" or inside_the_stack or _refers_to_a_resource(value, stack):
                continue
            assert "AWS::StackName" in json.dumps(value) or "AWS::StackId" in json.dumps(value), f"{name}.{key}"


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_a_stage_has_connections_for_all_its_environments_twice(name: str) -> None:
    """While an alias moves, the old version's environments keep their connections until the server ends them."""
    given = stage(name)
    imports = reserved_executions(functions()["ImportFunction"])

    assert set(given.parameters) == set(template()["Parameters"])
    assert given["Stage"] == name
    assert 2 * (given.reserved_executions - imports) <= int(given["DbMaxConnections"])


def test_every_parameter_is_grouped_and_every_scenario_names_real_ones() -> None:
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in interface for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template()["Parameters"])
    assert {name for each in SCENARIOS.values() for name in each} <= set(grouped)


def test_every_condition_is_met_and_missed_by_some_stack(templates: Templates, stacks: dict[str, Concrete]) -> None:
    """So the other tests see everything that the template can make."""
    for name in templates.expanded({})["Conditions"]:
        assert {stack.holds({"Condition": name}) for stack in stacks.values()} == {True, False}, name


def _refers_to_a_resource(value: Any, stack: Concrete) -> bool:
    return isinstance(value, dict) and value.get("Ref") in stack.resources


def test_a_loan_says_begin_wherever_a_proxy_may_stand(stacks: dict[str, Concrete]) -> None:
    """Behind one a session variable may be another client's, and autocommit is one."""
    proxies = {name: variables(stacks[name])["DB_PROXY"] for name in ("dev", "prod with a proxy", "own database")}

    assert proxies == {"dev": "false", "prod with a proxy": "true", "own database": "true"}
