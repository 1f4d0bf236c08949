"""The template, the code, the contract and the tools agree, which no linter checks."""

import math
import re
import tomllib

import pytest
import yaml

from lending.config import MAX_REDIS_DB, MAX_SWEEP_SECONDS, WORD
from lending.patience import Patience
from lending.use_cases.refresh_cache import MIN_SECONDS_TO_GO_ON
from local.front import application, lambda_context
from local.run import FUNCTION_ENVIRONMENT
from local.sam.container_access import HOST_FROM_CONTAINERS, SAM_ENV, WITHOUT_A_STACK
from testkit.template import ROOT, functions, integrations, local_environment, reserved_executions, routes, template
from tests.template.conftest import Tool

LAYER = ROOT / "layers/common"
FUNCTION_NAMES = sorted(functions())
API_FUNCTIONS = sorted(set(routes().values()))
LOCAL_ONLY = {"AWS_ENDPOINT_URL_SECRETS_MANAGER"}  # read by boto3


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_function_has_its_handler_where_the_template_says(name: str) -> None:
    module, _, handler = functions()[name]["Handler"].rpartition(".")
    code = ROOT / functions()[name]["CodeUri"]

    source = (code / f"{module}.py") if module == "app" else ROOT / f"{module.replace('.', '/')}.py"

    assert re.search(rf"^def {handler}\(", source.read_text(), re.MULTILINE)
    assert source.is_relative_to(code)


def test_a_handler_is_alone_in_its_folder() -> None:
    for folder in (ROOT / "functions").iterdir():
        assert [file.name for file in folder.iterdir() if file.name != "__pycache__"] == ["app.py"]


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

    assert folders == application.ROUTES


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_each_wait_is_longer_than_the_waits_inside_it(name: str) -> None:
    gateway_waits = [integration["TimeoutInMillis"] / 1000 for integration in integrations().values()]
    timeout = functions()[name]["Timeout"]
    ladder = [Patience().lock_wait, Patience().database_reply, timeout]

    assert [*ladder, min(gateway_waits)] == [3, 5, 10, 30]


EVERY_SECONDS = 60
"""From one run of the refresh to the next: `rate(1 minute)`."""


def test_a_refresh_is_never_missing() -> None:
    """While one run is a minute late, or is killed, the run before it goes on."""
    refresh = functions()["RefreshCacheFunction"]
    sweeps_for = refresh["Timeout"] - MIN_SECONDS_TO_GO_ON

    assert refresh["Events"]["EveryMinute"]["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert sweeps_for >= 2 * EVERY_SECONDS


def test_no_refresh_finds_its_place_taken() -> None:
    """Runs of the last two minutes and one that ends late are there when the next one begins."""
    refresh = functions()["RefreshCacheFunction"]
    at_once = math.ceil(refresh["Timeout"] / EVERY_SECONDS)

    assert reserved_executions(refresh) >= at_once


def test_no_refresh_is_repeated() -> None:
    """The next minute is the retry; another one would take the place of a run that is due."""
    refresh = functions()["RefreshCacheFunction"]

    for retries in (refresh["EventInvokeConfig"], refresh["Events"]["EveryMinute"]["Properties"]["RetryPolicy"]):
        assert retries == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": EVERY_SECONDS}


def test_the_bounds_of_the_parameters_are_those_of_the_settings() -> None:
    parameters = template()["Parameters"]

    assert (parameters["SweepSeconds"]["MinValue"], parameters["SweepSeconds"]["MaxValue"]) == (1, MAX_SWEEP_SECONDS)
    assert parameters["RedisDb"]["MaxValue"] == MAX_REDIS_DB
    for name in ("DbMark", "RedisKeyPrefix"):
        allowed = re.compile(parameters[name]["AllowedPattern"])
        for word in ("a", "A-9._:-", "a" * 40, "a" * 41, "a b", "*"):
            assert bool(allowed.fullmatch(word)) == bool(WORD(word))
        assert allowed.fullmatch("")


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_a_function_gets_only_variables_that_the_code_reads(name: str) -> None:
    settings = set(re.findall(r'"([A-Z][A-Z_]+)"', (LAYER / "lending/config.py").read_text(encoding="utf-8")))
    own = {"DB_ACCOUNTS"} if name == "MigrateFunction" else set()  # db/accounts.py

    assert set(functions()[name]["Environment"]["Variables"]) <= settings | set(FUNCTION_ENVIRONMENT) | LOCAL_ONLY | own


def test_the_template_holds_no_password() -> None:
    for name in FUNCTION_NAMES:
        assert functions()[name]["Environment"]["Variables"]["DB_PASSWORD"] == ""
    assert not [name for name in template()["Parameters"] if "password" in name.lower()]


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_functions_run_locally_as_they_are_deployed(name: str) -> None:
    assert functions()[name]["Timeout"] == lambda_context.TIMEOUT_SECONDS
    assert functions()[name]["MemorySize"] == lambda_context.LambdaContext(name).memory_limit_in_mb
    environment = local_environment(name)
    assert environment["LOG_LEVEL"] == FUNCTION_ENVIRONMENT["LOG_LEVEL"]
    assert environment["POWERTOOLS_METRICS_NAMESPACE"] == FUNCTION_ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"]


def test_the_layer_is_built_for_the_runtime_of_the_functions() -> None:
    layer = template()["Resources"]["CommonLayer"]["Properties"]
    makefile = (LAYER / "Makefile").read_text(encoding="utf-8")

    compiled_for = re.search(r"^RUNTIME := (.+)$", makefile, re.MULTILINE)

    assert compiled_for
    assert layer["CompatibleRuntimes"] == [f"python{compiled_for[1]}"]
    assert {functions()[name]["Runtime"] for name in FUNCTION_NAMES} == {f"python{compiled_for[1]}"}
    assert layer["CompatibleArchitectures"] == template()["Parameters"]["Architecture"]["AllowedValues"]


def test_sam_local_knows_every_variable_that_a_function_has_from_a_stack() -> None:
    """`sam local` would give made-up names to those that are left out."""
    for name in FUNCTION_NAMES:
        from_a_stack = {
            variable
            for variable, value in functions()[name]["Environment"]["Variables"].items()
            if isinstance(value, dict) and "Fn::If" in value
        }
        given = {variable for variable in from_a_stack if variable.endswith(("_HOST", "_PORT"))}
        assert from_a_stack - given <= set(WITHOUT_A_STACK)


def test_sam_local_serves_the_routes(sam_tool: Tool) -> None:
    """It reads only the first kind of API in the template."""
    served = dict(sam_tool("routes", []))

    assert served == {route.removeprefix("POST "): function for route, function in routes().items()}


@pytest.mark.parametrize("command", ["local_invoke", "local_start_api"])
def test_sam_local_finds_the_servers_of_make_up(command: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))

    options = config["default"][command]["parameters"]

    assert ROOT / options["env_vars"] == SAM_ENV
    assert options["add_host"] == [f"{HOST_FROM_CONTAINERS}:host-gateway"]
