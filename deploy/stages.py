"""What samconfig.toml and template.yaml say of a stage: its stack's name and its parameters, with their defaults."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


class UnknownStageError(Exception):
    """samconfig.toml has no such stage; the message names those that it has."""


@dataclass(frozen=True)
class Stage:
    """One table of samconfig.toml."""

    stack: str
    parameters: dict[str, str]
    """All parameters of the template, as text."""

    def __getitem__(self, parameter: str) -> str:
        """Return a parameter's value."""
        return self.parameters[parameter]

    @property
    def is_prod(self) -> bool:
        """Whether it gets standbys and protection."""
        return self["Stage"] == "prod"

    @property
    def reserved_executions(self) -> int:
        """How many of the account's concurrent executions its functions reserve."""
        if self["CheckEligibilityConcurrency"] == "0":
            return 0
        reserved = 0
        for resource in template()["Resources"].values():
            given = resource.get("Properties", {}).get("ReservedConcurrentExecutions")
            if given is not None:
                value = given["Fn::If"][1]
                reserved += int(self[value["Ref"]] if isinstance(value, dict) else value)
        return reserved


def stage(name: str) -> Stage:
    """Return a stage by the name of its table.

    Raises:
        UnknownStageError: There is none.
    """
    config: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    tables = {each: table for each, table in config.items() if isinstance(table, dict) and "deploy" in table}
    stages = {each: table["deploy"]["parameters"] for each, table in tables.items()}
    if name not in stages:
        raise UnknownStageError(f"samconfig.toml has no {name!r}. It has {', '.join(stages)}.")
    given = dict(each.split("=", 1) for each in stages[name]["parameter_overrides"].split())
    defaults = {parameter: str(each.get("Default", "")) for parameter, each in template()["Parameters"].items()}
    return Stage(stages[name]["stack_name"], defaults | given)


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    raise TypeError(node)


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return a template as Python values, with functions in their long form: `!Ref X` is {"Ref": "X"}."""
    parsed: dict[str, Any] = _Loader(path.read_text(encoding="utf-8")).get_single_data()
    return parsed
