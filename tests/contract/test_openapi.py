"""openapi.yaml is consistent: valid OpenAPI, valid examples, one type per problem."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from tests.contract.contract import CONTRACT_PATH, contract, validator


def test_contract_is_valid_openapi() -> None:
    schemathesis.openapi.from_path(CONTRACT_PATH).validate()


@pytest.mark.parametrize("name", contract()["components"]["schemas"])
def test_schema_is_valid_json_schema(name: str) -> None:
    jsonschema_rs.meta.validate(contract()["components"]["schemas"][name])


def _examples(node: object, place: str) -> Iterator[tuple[str, dict[str, Any], object]]:
    """Yield each example of a header, parameter or body below a node: its place, its schema, its value."""
    if isinstance(node, list):
        for position, item in enumerate(node):
            yield from _examples(item, f"{place}/{position}")
    if not isinstance(node, dict):
        return
    if "schema" in node:
        if "example" in node:
            yield f"{place}/example", node["schema"], node["example"]
        for name, example in node.get("examples", {}).items():
            yield f"{place}/examples/{name}", node["schema"], example["value"]
    for name, child in node.items():
        yield from _examples(child, f"{place}/{name}")


@pytest.mark.parametrize(
    ("schema", "value"), [pytest.param(schema, value, id=place) for place, schema, value in _examples(contract(), "#")]
)
def test_example_fits_its_schema(schema: dict[str, Any], value: object) -> None:
    validator(schema).validate(value)


def test_every_body_has_an_example() -> None:
    for place, media_type in _media_types(contract(), "#"):
        assert media_type.keys() & {"example", "examples"}, place


def _media_types(node: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for name, media_type in node.get("content", {}).items():
            yield f"{place}/content/{name}", media_type
        for name, child in node.items():
            yield from _media_types(child, f"{place}/{name}")
