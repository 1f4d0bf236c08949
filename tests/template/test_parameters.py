"""The template's Rules: combinations of parameters that cannot work are refused before anything is created."""

import pytest

from tests.template.concrete import Concrete
from tests.template.conftest import Templates
from tests.template.scenarios import IMPOSSIBLE


def test_what_can_work_is_let_through(stack: Concrete) -> None:
    assert stack.rules_broken == []


@pytest.mark.parametrize("complaint", IMPOSSIBLE)
def test_what_cannot_work_is_refused_in_words(complaint: str, templates: Templates) -> None:
    [said] = templates.stack(IMPOSSIBLE[complaint]).rules_broken

    assert said.startswith(complaint)
