"""What tests ask of template.yaml: its functions, its routes, the variables of a function without a stack."""

import re
from typing import Any

from deploy.stages import ROOT, template
from local.sam.container_access import WITHOUT_A_STACK

__all__ = ["ROOT", "template"]

FUNCTION = "AWS::Serverless::Function"


def functions() -> dict[str, dict[str, Any]]:
    """Return the properties of each function, Globals included, by its name in the template."""
    shared = template()["Globals"]["Function"]
    found = {}
    for name, resource in template()["Resources"].items():
        if resource["Type"] == FUNCTION:
            own = resource["Properties"]
            variables = shared["Environment"]["Variables"] | own.get("Environment", {}).get("Variables", {})
            found[name] = shared | own | {"Environment": {"Variables": variables}}
    return found


def reserved_executions(function: dict[str, Any]) -> int:
    """Return how many executions a function reserves, in a stack that reserves any."""
    condition, reserved, nothing = function["ReservedConcurrentExecutions"]["Fn::If"]
    assert (condition, nothing) == ("ReservesConcurrency", {"Ref": "AWS::NoValue"})
    return int(reserved)


def routes() -> dict[str, str]:
    """Return the name of the function behind each route key."""
    return {
        properties["RouteKey"]: _function_of(integrations()[_target(properties)])
        for properties in resources("AWS::ApiGatewayV2::Route").values()
    }


def integrations() -> dict[str, dict[str, Any]]:
    """Return the properties of what lies between the routes and the functions, by name."""
    return resources("AWS::ApiGatewayV2::Integration")


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of one type, by name."""
    return {
        name: resource["Properties"] for name, resource in template()["Resources"].items() if resource["Type"] == kind
    }


def local_environment(function: str) -> dict[str, str]:
    """Return the variables that a function gets without a stack, as in `sam local`."""
    variables = functions()[function]["Environment"]["Variables"]
    return {name: _resolved(value) for name, value in variables.items()} | WITHOUT_A_STACK


def _target(route: dict[str, Any]) -> str:
    """Return the name of a route's integration."""
    named = re.fullmatch(r"integrations/\$\{(\w+)\}", route["Target"]["Fn::Sub"])
    assert named
    return named[1]


def _function_of(integration: dict[str, Any]) -> str:
    """Return the function whose live alias an integration calls."""
    named = re.search(r"/functions/\$\{(\w+)\.Arn\}:live/invocations$", integration["IntegrationUri"]["Fn::Sub"])
    assert named
    return named[1]


def _resolved(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return str(template()["Parameters"][value["Ref"]]["Default"]) if "Ref" in value else ""
