"""The list of broken rules still speaks of the code as it is."""

import pytest

from tests.protocol.broken_rules import BROKEN_RULES, ROOT, BrokenRule


@pytest.mark.parametrize("broken", BROKEN_RULES, ids=lambda broken: broken.rule)
def test_a_rule_can_be_broken_where_the_list_says(broken: BrokenRule) -> None:
    assert broken.text in (ROOT / broken.file).read_text(encoding="utf-8")
