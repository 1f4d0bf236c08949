"""Expands template.yaml as CloudFormation will see it, and lints that; run by the Python of .local/sam.

`sam validate --lint` lints the template as written, without the resources that SAM adds: versions, aliases, roles
and the circles among them. Here it is expanded first, as AWS does it on deployment.

    echo '[{"LogLevel": "DEBUG"}]' | .local/sam/bin/python tests/template/sam_tools.py expand
    ... | .local/sam/bin/python tests/template/sam_tools.py lint
    echo '[]' | .local/sam/bin/python tests/template/sam_tools.py routes
    echo '[{"path": "/create-loan", "headers": [["A", "1"]], "body": "{}"}]' | ... events

`expand` reads a list of parameters, or of {"parameters": ..., "template": ...}, and prints the expanded templates;
`lint` reads expanded templates and prints what is wrong with each. `permissions` reads types and prints the actions
that each needs. `routes` prints those that `sam local start-api` would serve: pairs of a path and a function.
`events` reads POST requests and prints the events that it would make of them.
"""

import contextlib
import copy
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import cfnlint  # type: ignore[import-not-found]
from cfnlint.api import ManualArgs, lint  # type: ignore[import-not-found]
from flask import Flask
from samcli.lib.providers.api_provider import ApiProvider  # type: ignore[import-not-found]
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider  # type: ignore[import-not-found]
from samcli.local.apigw.event_constructor import construct_v2_event_http  # type: ignore[import-not-found]
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
REGION = "eu-west-1"
CODE = "s3://artefacts/"


def expand(parameters: dict[str, str], layer: str = "layer") -> dict[str, Any]:
    """Return the template after SAM's transform. It names the uploads of `sam package`, which do not exist.

    Args:
        parameters: The parameters that differ from their defaults.
        layer: Name of the layer's upload. Another name means another content.
    """
    template = copy.deepcopy(written())
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if "CodeUri" in properties:
            properties["CodeUri"] = CODE + name
        if isinstance(properties.get("Code"), str):
            properties["Code"] = {"S3Bucket": "artefacts", "S3Key": name}
        if "ContentUri" in properties:
            properties["ContentUri"] = CODE + layer
    defaults = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()}
    session = boto3.Session(region_name=REGION)
    translator = Translator(managed_policy_map={}, sam_parser=Parser(), boto_session=session)
    expanded: dict[str, Any] = translator.translate(sam_template=template, parameter_values=defaults | parameters)
    return expanded


@cache
def written() -> dict[str, Any]:
    """Return the template as it is written; reading it takes twice as long as a transform."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    return template


def complaints(template: dict[str, Any]) -> list[str]:
    """Return what cfn-lint finds in an expanded template."""
    found = lint(json.dumps(template), config=ManualArgs(regions=[REGION]))
    return [f"{match.rule.id} at {'/'.join(map(str, match.path))}: {match.message}" for match in found]


def local_routes() -> list[tuple[str, str]]:
    """Return what `sam local start-api` finds in the template, with the options of samconfig.toml."""
    stacks, _ = SamLocalStackProvider.get_stacks(str(TEMPLATE))
    served = ApiProvider(stacks, cwd=str(TEMPLATE.parent), disable_authorizer=True).routes
    return sorted((route.path, route.function_name) for route in served)


def local_events(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that `sam local start-api` makes of requests to an HTTP API."""
    gateway = Flask("gateway")
    events = []
    for request in requests:
        given = {"method": "POST", "headers": request["headers"], "data": request["body"]}
        with gateway.test_request_context(request["path"], content_type="application/json", **given) as context:
            route_key = f"POST {request['path']}"
            events.append(construct_v2_event_http(context.request, 3000, [], "$default", {}, route_key))
    return events


def permissions(kinds: list[str]) -> list[tuple[str, list[str]]]:
    """Return the actions that CloudFormation needs to make, change, read and delete resources of each type."""
    schemas = Path(cfnlint.__file__).parent / "data/schemas/resources"
    found: dict[str, list[str]] = {}
    for file in schemas.glob("*.json"):
        schema = json.loads(file.read_bytes())
        if schema.get("typeName") in kinds:
            handlers = [schema["handlers"].get(name, {}) for name in ("create", "read", "update", "delete")]
            found[schema["typeName"]] = sorted(
                {each for handler in handlers for each in handler.get("permissions", [])}
            )
    return [(kind, found.get(kind, [])) for kind in kinds]


def main() -> None:
    """Carry out the command line."""
    [command] = sys.argv[1:]
    given = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # the translator prints remarks
        result: list[Any]
        if command == "expand":
            result = [expand(**each) for each in given]
        elif command == "lint":
            result = [complaints(each) for each in given]
        elif command == "permissions":
            result = permissions(given)
        elif command == "events":
            result = local_events(given)
        else:
            result = local_routes()
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
