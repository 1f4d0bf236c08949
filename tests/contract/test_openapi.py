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


def test_no_schema_says_what_generated_clients_trip_over() -> None:
    """Each of these made one of them refuse a right answer or lose a loan that was made."""
    for place, schema in _schemas(contract()["components"]["schemas"], "#"):
        assert not schema.keys() & {"multipleOf", "if", "allOf", "oneOf", "const"}, place
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        assert kinds != ["null"], place
        assert schema.get("format") in {"int32", "int64"} or "integer" not in kinds, place
        most = schema.get("maximum", 0)
        assert schema.get("format") != "int32" or most < 2**31, place


def test_all_successes_of_an_operation_have_one_schema() -> None:
    for path, operation in contract()["paths"].items():
        responses = operation["post"]["responses"]
        schemas = [
            responses[status]["content"]["application/json"]["schema"]
            for status in ("200", "201")
            if status in responses
        ]
        assert all(schema == schemas[0] for schema in schemas), path
        assert "$ref" in schemas[0], path


def _schemas(node: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if place != "#" and not place.endswith("/properties"):
            yield place, node
        for name, child in node.items():
            yield from _schemas(child, f"{place}/{name}")


def test_every_body_has_an_example() -> None:
    for place, media_type in _media_types(contract(), "#"):
        assert media_type.keys() & {"example", "examples"}, place


def _media_types(node: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for name, media_type in node.get("content", {}).items():
            yield f"{place}/content/{name}", media_type
        for name, child in node.items():
            yield from _media_types(child, f"{place}/{name}")
