"""Reads openapi.yaml and JSON for the contract tests, with exact numbers, and makes validators of schemas."""

import json
from decimal import Context, Decimal
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import jsonschema_rs
import yaml

CONTRACT_PATH = Path(__file__).parents[2] / "openapi.yaml"


class _ExactLoader(yaml.SafeLoader):
    """Reads 0.01 as exactly a hundredth, not as the nearest binary fraction."""


def _construct_decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(loader.construct_scalar(node))


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _construct_decimal)


@cache
def contract() -> dict[str, Any]:
    """Return the contract, with its fractions as Decimal."""
    document: dict[str, Any] = yaml.load(CONTRACT_PATH.read_text(encoding="utf-8"), Loader=_ExactLoader)  # noqa: S506 - a SafeLoader
    return document


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the contract that a Reference Object names, or the node itself if it is no reference."""
    while "$ref" in node:
        target: Any = contract()
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return a validator of a Schema Object. It checks numbers as decimals of any size."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": contract()["components"]})


def strict_validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return a validator for which an object has no properties but those that its schema names.

    Clients ignore what they do not know, so that fields may be added; what is there and not documented is a mistake.
    """
    return jsonschema_rs.Draft202012Validator(_closed({**schema, "components": contract()["components"]}))


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(child) for name, child in node.items()}
    return closed | {"additionalProperties": False} if isinstance(node.get("properties"), dict) else closed


def exact_json(text: str) -> object:
    """Read one JSON document as RFC 8259 defines it, with all numbers as Decimal.

    Raises:
        ValueError: No JSON, or a name repeated in an object; NaN and Infinity are no JSON.
    """
    return json.loads(
        text,
        parse_int=_integer,
        parse_float=Decimal,
        parse_constant=_refuse_constant,
        object_pairs_hook=_object_of_distinct_names,
    )


def _integer(text: str) -> Decimal:
    # Rounded to far more digits than any bound has: the validator cannot report integers of thousands of digits.
    return Context(prec=100).create_decimal(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _object_of_distinct_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is repeated")
    return members
