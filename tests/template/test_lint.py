"""What cfn-lint says of the template as CloudFormation will see it."""

from tests.template.concrete import Concrete
from tests.template.conftest import Tool


def test_no_combination_of_conditions_leaves_a_circle_or_a_loose_end(sam_tool: Tool) -> None:
    """cfn-lint tries them all; circles show only once SAM's own resources are there."""
    assert sam_tool("lint", sam_tool("expand", [{"parameters": {}}])) == [[]]


def test_every_stack_is_well_formed(sam_tool: Tool, stacks: dict[str, Concrete]) -> None:
    complaints = sam_tool("lint", [stack.as_template() for stack in stacks.values()])

    assert {name: found for name, found in zip(stacks, complaints, strict=True) if found} == {}


def test_every_condition_is_met_and_missed_by_some_stack(sam_tool: Tool, stacks: dict[str, Concrete]) -> None:
    """So that the stacks above are all there is to check."""
    [expanded] = sam_tool("expand", [{"parameters": {}}])

    for name in expanded["Conditions"]:
        assert {stack.holds({"Condition": name}) for stack in stacks.values()} == {True, False}, name
