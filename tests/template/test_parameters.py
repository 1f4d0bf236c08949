"""The template's Rules: combinations of parameters that cannot work are refused before anything is created."""

import pytest

from tests.template.concrete import Concrete
from tests.template.conftest import Tool
from tests.template.scenarios import OWN_CACHE, OWN_DATABASE, OWN_VPC


def test_what_can_work_is_let_through(stack: Concrete) -> None:
    assert stack.rules_broken == []


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"JwtIssuer": "https://issuer.example.com/"}, "JwtIssuer needs JwtAudience"),
        ({"VpcId": OWN_VPC["VpcId"]}, "VpcId needs SubnetIds"),
        (OWN_DATABASE | {"VpcId": ""}, "Your own database needs VpcId"),
        (OWN_DATABASE | {"DbSecretArn": ""}, "Your own database needs DbSecretArn"),
        (OWN_DATABASE | {"UseDbProxy": "true"}, "UseDbProxy is for a new database"),
        (OWN_CACHE | {"VpcId": ""}, "Your own cache needs VpcId"),
    ],
)
def test_what_cannot_work_is_refused_in_words(sam_tool: Tool, parameters: dict[str, str], complaint: str) -> None:
    [expanded] = sam_tool("expand", [{"parameters": parameters}])

    [said] = Concrete(expanded, parameters).rules_broken

    assert said.startswith(complaint)
