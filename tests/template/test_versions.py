"""What is deployed goes live: every change publishes a new version of the functions that it concerns."""

from typing import Any

import pytest

from tests.template.concrete import Concrete
from tests.template.conftest import Templates
from tests.template.parsed import functions, template
from tests.template.scenarios import ANOTHER_VALUE, CHANGES, LONGEST, RESTORED

FUNCTION_NAMES = sorted(functions())
API_FUNCTIONS = ["CheckEligibilityFunction", "CreateLoanFunction"]


def version_of(stack: Concrete, function: str) -> tuple[str, Any]:
    """Return what makes a version another one: its name in the template, and its description."""
    versions = stack.of_type("AWS::Lambda::Version")
    [name] = [name for name, version in versions.items() if version["FunctionName"] == {"Ref": function}]
    return name, versions[name].get("Description")


def configuration_of(stack: Concrete, function: str) -> dict[str, Any]:
    """Return what a version freezes of its function."""
    properties = stack.resources[function]["Properties"]
    apart = {"Code", "Description", "ReservedConcurrentExecutions", "Tags", "VpcConfig"}
    return {name: value for name, value in properties.items() if name not in apart}


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_change_in_the_layer_alone_is_a_new_version(name: str, templates: Templates) -> None:
    assert version_of(templates.stack({}), name) != version_of(templates.stack_with_another_layer(), name)


def test_every_parameter_that_a_function_follows_has_another_value_to_test_with(templates: Templates) -> None:
    """Whoever adds one is told to add it to the versions' descriptions, too."""
    expanded = templates.expanded({})
    followed = {
        name
        for name in template()["Parameters"]
        for function in FUNCTION_NAMES
        if configuration_of(Concrete(expanded, {}), function)
        != configuration_of(Concrete(expanded, {name: ANOTHER_VALUE.get(name, "another")}), function)
    }

    assert followed - {"DbHost", "RedisHost", "RedisSecretArn"} == set(ANOTHER_VALUE)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_setting_is_a_new_version(change: str, templates: Templates) -> None:
    stacks = templates.stack({}), templates.stack(CHANGES[change])

    changed = [name for name in FUNCTION_NAMES if len({str(configuration_of(each, name)) for each in stacks}) == 2]

    assert changed
    for name in changed:
        assert version_of(stacks[0], name) != version_of(stacks[1], name), name


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_restored_database_is_a_new_version(name: str, templates: Templates) -> None:
    """Its address and its secret are others, which no value in the template tells."""
    assert version_of(templates.stack({}), name) != version_of(templates.stack(RESTORED), name)


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_description_is_short_enough_for_lambda(name: str, templates: Templates) -> None:
    assert len(version_of(templates.stack(LONGEST), name)[1]) <= 256


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_the_live_alias_is_the_newest_version(name: str, stack: Concrete) -> None:
    alias = stack.resources[f"{name}Aliaslive"]["Properties"]

    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version_of(stack, name)[0], "Version"]}


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_alarms_of_the_api_roll_an_alias_back(name: str, stack: Concrete) -> None:
    """The handlers answer 500 instead of crashing, so that Lambda's own errors would not show a bad version."""
    group = stack.resources[f"{name}DeploymentGroup"]["Properties"]

    alarms = [each["Name"]["Ref"] for each in group["AlarmConfiguration"]["Alarms"]]

    assert group["AlarmConfiguration"]["Enabled"]
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert stack.resources["ServerErrorsAlarm"]["Properties"]["Namespace"] == "AWS/ApiGateway"
    assert {"ServerErrorsAlarm", "SlowAnswersAlarm"} < set(alarms)


def test_production_moves_a_tenth_first(stacks: dict[str, Concrete]) -> None:
    configuration = {
        name: str(stack.resources["CreateLoanFunctionDeploymentGroup"]["Properties"]["DeploymentConfigName"])
        for name, stack in stacks.items()
    }

    assert "Canary10Percent5Minutes" in configuration["prod"]
    assert "AllAtOnce" in configuration["dev"]
