"""A template with given parameters: conditions are decided, parameters filled in, and uncreated resources left out.

It has no conditions any more, so that a linter or an assertion sees one stack and not all of them.
References to resources and pseudo parameters stay as they are, because only AWS knows them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

NO_VALUE = {"Ref": "AWS::NoValue"}


class Concrete:
    """One stack of a template."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        """Take an expanded template and the parameters that differ from their defaults."""
        self._conditions = template.get("Conditions", {})
        self._mappings = template.get("Mappings", {})
        declared = template["Parameters"]
        assert set(parameters) <= set(declared)
        self._parameters = {
            name: _as_given(parameter, parameters.get(name, parameter.get("Default", "")))
            for name, parameter in declared.items()
        }
        self.resources: dict[str, dict[str, Any]] = {
            name: self.value({key: part for key, part in resource.items() if key != "Condition"})
            for name, resource in template["Resources"].items()
            if self.holds({"Condition": resource["Condition"]} if "Condition" in resource else True)
        }
        self.rules_broken = [
            assertion["AssertDescription"]
            for rule in template.get("Rules", {}).values()
            if self.holds(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of the resources of one type, by name."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def as_template(self) -> dict[str, Any]:
        """Return it as a template of its own."""
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": self.resources}

    def holds(self, condition: Any) -> bool:
        """Return whether a condition holds."""
        if isinstance(condition, bool):
            return condition
        [(function, argument)] = condition.items()
        decide: dict[str, Callable[[], bool]] = {
            "Condition": lambda: self.holds(self._conditions[argument]),
            "Fn::Not": lambda: not self.holds(argument[0]),
            "Fn::And": lambda: all(self.holds(each) for each in argument),
            "Fn::Or": lambda: any(self.holds(each) for each in argument),
            "Fn::Equals": lambda: bool(self.value(argument[0]) == self.value(argument[1])),
            "Fn::Contains": lambda: self.value(argument[1]) in self.value(argument[0]),
        }
        return decide[function]()

    def value(self, value: Any) -> Any:
        """Return a value with its conditions and parameters resolved."""
        if isinstance(value, list):
            return [self.value(each) for each in value if self._chosen(each) != NO_VALUE]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return self._parameters.get(value["Ref"], value)
        resolve: dict[str, Callable[[Any], Any]] = {
            "Fn::If": lambda _: self.value(self._chosen(value)),
            "Fn::FindInMap": lambda path: self._mapped(*self.value(path)),
            "Fn::Sub": self._substituted,
        }
        if len(value) == 1 and (function := next(iter(value))) in resolve:
            return resolve[function](value[function])
        return {name: self.value(each) for name, each in value.items() if self._chosen(each) != NO_VALUE}

    def _mapped(self, mapping: str, first: str, second: str) -> Any:
        return self._mappings[mapping][first][second]

    def _chosen(self, value: Any) -> Any:
        while isinstance(value, dict) and set(value) == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            value = then if self.holds({"Condition": condition}) else otherwise
        return value

    def _substituted(self, argument: Any) -> Any:
        text, names = (argument, {}) if isinstance(argument, str) else argument
        names = self._parameters | {name: self.value(each) for name, each in names.items()}
        known = {name: each for name, each in names.items() if isinstance(each, str)}
        text = re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1], found[0]), text)
        left = {name: each for name, each in names.items() if f"${{{name}}}" in text}
        if left:
            return {"Fn::Sub": [text, left]}
        return {"Fn::Sub": text} if "${" in text else text


def _as_given(parameter: Mapping[str, Any], value: object) -> Any:
    if parameter["Type"] == "CommaDelimitedList":
        return str(value).split(",")
    return str(value)
