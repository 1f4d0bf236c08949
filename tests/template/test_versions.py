"""A deployed change goes live: it publishes a new version of every function that it concerns."""

import json
from typing import Any

import pytest

from testkit.template import functions, template
from tests.template.concrete import Concrete
from tests.template.conftest import Templates
from tests.template.scenarios import SCENARIOS

FUNCTION_NAMES = sorted(functions())
API_FUNCTIONS = ["CheckEligibilityFunction", "CreateLoanFunction"]
LIVE_FUNCTIONS = [*API_FUNCTIONS, "RefreshCacheFunction"]
"""Functions that are called by their live alias. The migration is called without one."""
TO_CHANGE = ["dev", "prod with a proxy", "own database", "own cache, with a secret, a key and a security group"]
UNFROZEN = {"Code", "Description", "ReservedConcurrentExecutions", "Tags"}
"""Properties that a version does not freeze, or that SAM's hash in the version's name covers."""


def version_of(stack: Concrete, function: str) -> tuple[str, str]:
    """Return what identifies a version: its name in the template, and its description with its fingerprint."""
    versions = stack.of_type("AWS::Lambda::Version")
    [name] = [name for name, version in versions.items() if version["FunctionName"] == {"Ref": function}]
    description = str(versions[name].get("Description"))
    fingerprint = json.dumps(stack.resources["Schema"]["Properties"]["Settings"])
    return name, description.replace("${Schema.Settings}", fingerprint)


def configuration_of(stack: Concrete, function: str) -> dict[str, Any]:
    """Return what a version freezes of its function."""
    properties = stack.resources[function]["Properties"]
    return {name: value for name, value in properties.items() if name not in UNFROZEN}


def another_value(name: str, value: str) -> str:
    """Return an allowed value of a parameter other than its current one."""
    parameter = template()["Parameters"][name]
    others = [each for each in parameter.get("AllowedValues", []) if str(each) != value]
    if others:
        return str(others[0])
    return "7" if parameter["Type"] == "Number" else f"another-{value}"


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_change_in_the_layer_alone_is_a_new_version(name: str, templates: Templates) -> None:
    assert version_of(templates.stack({}), name) != version_of(templates.stack_with_another_layer(), name)


@pytest.mark.parametrize("parameter", sorted(template()["Parameters"]))
@pytest.mark.parametrize("scenario", TO_CHANGE)
def test_a_version_is_another_one_exactly_when_its_function_is(
    scenario: str, parameter: str, templates: Templates
) -> None:
    """Too seldom: the alias stays on the old settings. Too often: Lambda refuses the version as a duplicate."""
    given = SCENARIOS[scenario]
    now = given.get(parameter, str(template()["Parameters"][parameter].get("Default", "")))
    expanded = templates.expanded(given)
    stacks = [Concrete(expanded, given), Concrete(expanded, given | {parameter: another_value(parameter, now)})]

    for name in LIVE_FUNCTIONS:
        configurations = [configuration_of(stack, name) for stack in stacks]
        versions = [version_of(stack, name) for stack in stacks]
        assert (versions[0] != versions[1]) == (configurations[0] != configurations[1]), name


@pytest.mark.parametrize("name", LIVE_FUNCTIONS)
def test_a_default_that_is_spelt_out_is_no_change(name: str, templates: Templates) -> None:
    given = SCENARIOS["prod with a proxy"]
    spelt_out = given | {"DbTlsCa": "/opt/certificates/amazon-trust-services.pem"}
    expanded = templates.expanded(given)

    assert version_of(Concrete(expanded, given), name) == version_of(Concrete(expanded, spelt_out), name)


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_version_goes_when_another_has_come(name: str, stack: Concrete) -> None:
    """A version kept after a rollback would be refused as a duplicate, and SnapStart costs money for each."""
    version, _ = version_of(stack, name)

    assert stack.resources[version]["DeletionPolicy"] == "Delete"


@pytest.mark.parametrize("name", LIVE_FUNCTIONS)
def test_a_version_follows_stores_that_are_replaced(name: str, stack: Concrete) -> None:
    """A restored database has another address, which is in no parameter."""
    used = stack.resources[name]["Properties"]["Environment"]["Variables"]
    fingerprint = stack.resources["Schema"]["Properties"]["Settings"]

    assert used["DB_HOST"] in fingerprint
    assert used["DB_IAM_USER"] in fingerprint
    assert used["DB_SECRET_ID"] in fingerprint
    assert used["REDIS_HOST"] in fingerprint


def test_the_migration_is_called_as_it_is_configured_now(stack: Concrete) -> None:
    """A version of it could still have the old secret."""
    assert stack.resources["Schema"]["Properties"]["ServiceToken"] == {"Fn::GetAtt": ["MigrateFunction", "Arn"]}


@pytest.mark.parametrize("name", LIVE_FUNCTIONS)
def test_the_live_alias_is_the_newest_version(name: str, stack: Concrete) -> None:
    alias = stack.resources[f"{name}Aliaslive"]["Properties"]

    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version_of(stack, name)[0], "Version"]}


def test_each_alarm_of_a_deployment_has_a_name_in_every_stack(stack: Concrete) -> None:
    """CodeDeploy refuses one without, which a condition inside SAM's Alarms would make."""
    for group in stack.of_type("AWS::CodeDeploy::DeploymentGroup").values():
        for alarm in group["AlarmConfiguration"].get("Alarms", []):
            assert alarm["Name"]["Ref"] in stack.resources


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_alarms_of_the_api_roll_an_alias_back(name: str, stacks: dict[str, Concrete]) -> None:
    """The handlers answer 500 instead of crashing, so Lambda's own errors would not show a bad version."""
    stack = stacks["prod"]
    group = stack.resources[f"{name}DeploymentGroup"]["Properties"]

    alarms = [each["Name"]["Ref"] for each in group["AlarmConfiguration"]["Alarms"]]

    assert group["AlarmConfiguration"]["Enabled"]
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    canary = f"{name.removesuffix('Function')}CanaryAlarm"
    assert {"ServerErrorsAlarm", "SlowAnswersAlarm", canary} < set(alarms)


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_a_new_version_is_probed_before_its_first_traffic(name: str, stacks: dict[str, Concrete]) -> None:
    """So one that fails every request is stopped at whatever traffic."""
    for stack in (stacks["dev"], stacks["prod"]):
        alias = stack.resources[f"{name}Aliaslive"]
        update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        variables = stack.resources["ProbeFunction"]["Properties"]["Environment"]["Variables"]
        asked = variables["CREATE_LOAN_VERSION" if name == "CreateLoanFunction" else "CHECK_ELIGIBILITY_VERSION"]

        assert update["BeforeAllowTrafficHook"] == {"Ref": "ProbeFunction"}
        assert asked == {"Ref": version_of(stack, name)[0]}, "the newest version, which the alias is to move to"
        assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [asked["Ref"], "Version"]}
        group = stack.resources[f"{name}DeploymentGroup"]["Properties"]
        assert group["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_a_deployment_that_fixes_a_ringing_alarm_can_pass(name: str, templates: Templates) -> None:
    stack = templates.stack(SCENARIOS["staging without rollback"])

    alarms = stack.resources[f"{name}DeploymentGroup"]["Properties"].get("AlarmConfiguration", {})

    assert not alarms.get("Alarms")


def test_production_moves_a_tenth_first(stacks: dict[str, Concrete]) -> None:
    configuration = {
        name: str(stack.resources["CreateLoanFunctionDeploymentGroup"]["Properties"]["DeploymentConfigName"])
        for name, stack in stacks.items()
    }

    assert "Canary10Percent5Minutes" in configuration["prod"]
    assert "AllAtOnce" in configuration["dev"]
