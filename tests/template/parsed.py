"""template.yaml as Python values, its short-form functions in their long form: `!Ref X` is {"Ref": "X"}."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FUNCTION = "AWS::Serverless::Function"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    """Return the whole template."""
    parsed: dict[str, Any] = _Loader((ROOT / "template.yaml").read_text(encoding="utf-8")).get_single_data()
    return parsed


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


def routes() -> dict[str, str]:
    """Return the name of the function behind each route key."""
    return {
        _route_key(event["Properties"]): name
        for name, properties in functions().items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }


def default_environment(function: str) -> dict[str, str]:
    """Return the variables that a function gets when every parameter keeps its default."""
    return {name: _resolved(value) for name, value in functions()[function]["Environment"]["Variables"].items()}


def _route_key(event: dict[str, Any]) -> str:
    return f"{event['Method']} {event['Path']}" if "Path" in event else "$default"


def _resolved(value: Any) -> str:
    if isinstance(value, dict):
        return str(template()["Parameters"][value["Ref"]]["Default"])
    return str(value)
