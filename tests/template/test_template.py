"""What no linter sees: that the template, the code, the contract and the tools around them say the same."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lending.adapters import mysql_connection
from local import front, lambda_context
from local.container_access import HOST_FROM_CONTAINERS, SAM_ENV
from local.run import FUNCTION_ENVIRONMENT
from tests.template.parsed import ROOT, default_environment, functions, routes, template

LAYER = ROOT / "layers/common"
FUNCTION_NAMES = sorted(functions())
PSEUDO_PARAMETERS = {"AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::AccountId", "AWS::StackName"}


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_function_has_its_handler_alone_in_its_folder(name: str) -> None:
    properties = functions()[name]
    folder = ROOT / properties["CodeUri"]
    module, _, handler = properties["Handler"].partition(".")

    assert [file.name for file in folder.iterdir() if file.name != "__pycache__"] == [f"{module}.py"]
    assert re.search(rf"^def {handler}\(", (folder / f"{module}.py").read_text(), re.MULTILINE)


def test_the_routes_are_those_of_the_contract_and_one_for_all_the_rest() -> None:
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    operations = {
        f"{method.upper()} {path}"
        for path, item in contract["paths"].items()
        for method in item
        if method in {"get", "put", "post", "delete", "patch"}
    }

    assert set(routes()) == operations | {"$default"}


def test_the_local_front_has_the_same_routes_to_the_same_code() -> None:
    folders = {route: functions()[name]["CodeUri"].removeprefix("functions/") for route, name in routes().items()}

    assert folders == front.ROUTES


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_whoever_waits_outlives_what_it_waits_for(name: str) -> None:
    function = functions()[name]
    gateway_waits = [event["Properties"]["TimeoutInMillis"] / 1000 for event in function["Events"].values()]
    ladder = [mysql_connection.LOCK_WAIT_SECONDS, mysql_connection.SOCKET_TIMEOUT_SECONDS, function["Timeout"]]

    assert gateway_waits
    assert [*ladder, min(gateway_waits)] == [3, 5, 10, 30]


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_function_gets_only_variables_that_the_code_reads(name: str) -> None:
    settings = set(re.findall(r'"([A-Z][A-Z_]+)"', (LAYER / "lending/config.py").read_text(encoding="utf-8")))

    assert set(functions()[name]["Environment"]["Variables"]) <= settings | set(FUNCTION_ENVIRONMENT)


def test_every_reference_names_something() -> None:
    """cfn-lint looks no further than a resource's own properties: what Globals add to these it misses."""
    names = {*template()["Parameters"], *template()["Resources"], *PSEUDO_PARAMETERS}

    assert set(_references(template())) <= names


def test_the_template_holds_no_password() -> None:
    for name in FUNCTION_NAMES:
        assert functions()[name]["Environment"]["Variables"]["DB_PASSWORD"] == ""
    assert not [name for name in template()["Parameters"] if "password" in name.lower()]


def test_functions_run_locally_as_they_are_deployed() -> None:
    for name in FUNCTION_NAMES:
        assert functions()[name]["Timeout"] == lambda_context.TIMEOUT_SECONDS
        assert functions()[name]["MemorySize"] == lambda_context.LambdaContext(name).memory_limit_in_mb
        environment = default_environment(name)
        assert environment["LOG_LEVEL"] == FUNCTION_ENVIRONMENT["LOG_LEVEL"]
        assert environment["POWERTOOLS_METRICS_NAMESPACE"] == FUNCTION_ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"]


def test_the_layer_brings_what_the_code_needs_and_no_boto3() -> None:
    lines = (LAYER / "requirements.txt").read_text(encoding="utf-8").splitlines()

    names = [re.fullmatch(r"([a-z0-9-]+)==[0-9.]+", line) for line in lines]

    assert all(names), "plain name==version lines, as SAM's builders and pyproject.toml read them"
    assert not {"boto3", "botocore"} & {name[1] for name in names if name}


def test_the_layer_is_built_for_the_runtime_of_the_functions() -> None:
    layer = template()["Resources"]["CommonLayer"]["Properties"]
    makefile = (LAYER / "Makefile").read_text(encoding="utf-8")

    compiled_for = re.search(r"^RUNTIME := (.+)$", makefile, re.MULTILINE)

    assert compiled_for
    assert layer["CompatibleRuntimes"] == [f"python{compiled_for[1]}"]
    assert {functions()[name]["Runtime"] for name in FUNCTION_NAMES} == {f"python{compiled_for[1]}"}
    assert layer["CompatibleArchitectures"] == template()["Parameters"]["Architecture"]["AllowedValues"]


@pytest.mark.parametrize("command", ["local_invoke", "local_start_api"])
def test_sam_local_finds_the_servers_of_make_up(command: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))

    options = config["default"][command]["parameters"]

    assert ROOT / options["env_vars"] == SAM_ENV
    assert options["add_host"] == [f"{HOST_FROM_CONTAINERS}:host-gateway"]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            yield value["Ref"]
        elif set(value) == {"Fn::GetAtt"}:
            yield value["Fn::GetAtt"].partition(".")[0]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
