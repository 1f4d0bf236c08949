"""What the pages name is there."""

import re
from pathlib import Path

import pytest

from testkit.template import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_that_a_page_names_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:^\$ |`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert set(named) - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_that_a_page_links_to_are_there(page: Path) -> None:
    links = re.findall(r"(?:\]\(|src=\"|srcset=\")(?!https?:)([^)#\"]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_where_to_change_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:db|docs|functions|importer|layers|testkit|tests)/[\w./]*)`", text)

    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for name, file in re.findall(r"`([A-Z]+)` in `(layers/[\w./]+)`", text):
        assert re.search(rf"^{name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name
