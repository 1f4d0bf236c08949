"""cfn-lint finds nothing in the template as CloudFormation will see it."""

from tests.template.concrete import Concrete
from tests.template.conftest import Templates, Tool

DECIDED = ("prod with a proxy", "x86_64 and JWTs", "restored", "own VPC, with a proxy", "own everything")


def test_no_combination_of_conditions_leaves_a_circle_or_a_loose_end(sam_tool: Tool, templates: Templates) -> None:
    """cfn-lint tries them all; circles show only once SAM's own resources are there."""
    assert sam_tool("lint", [templates.expanded({})]) == [[]]


def test_stacks_are_well_formed_when_all_is_decided(sam_tool: Tool, stacks: dict[str, Concrete]) -> None:
    """Rules about values skip whatever is behind a condition."""
    complaints = sam_tool("lint", [stacks[name].as_template() for name in DECIDED])

    assert {name: found for name, found in zip(DECIDED, complaints, strict=True) if found} == {}


def test_every_condition_is_met_and_missed_by_some_stack(templates: Templates, stacks: dict[str, Concrete]) -> None:
    """So the other tests see everything that the template can make."""
    for name in templates.expanded({})["Conditions"]:
        assert {stack.holds({"Condition": name}) for stack in stacks.values()} == {True, False}, name
