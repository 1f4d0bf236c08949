"""Parameters are described in words, and refused before anything is created if they cannot work."""

import re

import pytest

from testkit.template import template
from tests.template.concrete import Concrete
from tests.template.conftest import Templates
from tests.template.scenarios import IMPOSSIBLE, SCENARIOS


def test_what_can_work_is_let_through(stack: Concrete) -> None:
    assert stack.rules_broken == []


@pytest.mark.parametrize("complaint", IMPOSSIBLE)
def test_what_cannot_work_is_refused_in_words(complaint: str, templates: Templates) -> None:
    [said] = templates.stack(IMPOSSIBLE[complaint]).rules_broken

    assert said.startswith(complaint)


def functions_in(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {name for name in value if name.startswith("Fn::")}
        return own.union(*map(functions_in, value.values()))
    return set().union(*map(functions_in, value)) if isinstance(value, list) else set()


def test_rules_use_the_functions_that_cloudformation_allows_in_them() -> None:
    """Source: CloudFormation's user guide, "Rule functions". With another one the template is refused as a whole."""
    used = functions_in(template()["Rules"])

    assert used <= {"Fn::And", "Fn::Contains", "Fn::Equals", "Fn::Not", "Fn::Or"}


def test_every_parameter_and_output_is_described() -> None:
    described = template()["Parameters"] | template()["Outputs"]

    assert [name for name, each in described.items() if not each.get("Description")] == []


def test_every_pattern_says_what_to_enter_instead() -> None:
    parameters = template()["Parameters"]

    patterns = [name for name, each in parameters.items() if "AllowedPattern" in each]

    assert [name for name in patterns if not parameters[name].get("ConstraintDescription")] == []


@pytest.mark.parametrize("parameters", SCENARIOS.values(), ids=SCENARIOS)
def test_what_can_work_is_what_the_patterns_allow(parameters: dict[str, str]) -> None:
    for name, parameter in template()["Parameters"].items():
        given = parameters.get(name, parameter["Default"])

        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(given)), name


@pytest.mark.parametrize(
    ("name", "typo"),
    [
        ("AlarmEmail", "alarms.example.com"),
        ("JwtIssuer", "http://issuer.example.com"),
        ("VpcId", "subnet-0123456789abcdef0"),
        ("DbSecretArn", "database-AbCdEf"),
        ("DbSecretKeyArn", "arn:aws:kms:eu-west-1:123456789012:alias/database"),
        ("RedisSecurityGroupId", "default"),
    ],
)
def test_a_typo_is_refused_before_anything_is_created(name: str, typo: str) -> None:
    assert not re.fullmatch(template()["Parameters"][name]["AllowedPattern"], typo)


@pytest.mark.parametrize("name", ["DbSnapshot", "DbName", "DbHost"])
def test_a_parameter_that_can_replace_the_database_warns_of_it(name: str) -> None:
    description = template()["Parameters"][name]["Description"]

    assert re.search(r"WARNING: keep this value in every later deployment\. .*(REPLACES|REMOVES)", description)
