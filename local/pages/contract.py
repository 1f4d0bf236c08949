"""The contract for people: Swagger UI on openapi.yaml, and a page for each type of problem.

`python -m local.pages.contract FOLDER` writes them as files, for any web server and under any path there.
"""

import json
import re
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup

from local.pages.rendering import HERE, rendered

ROOT = Path(__file__).parents[2]
CONTRACT, PROBLEMS = ROOT / "openapi.yaml", ROOT / "docs" / "problems.md"
HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
PROBLEM = re.compile(r"(\d{3}) `/problems/([a-z-]+)`")


def _swagger_ui() -> list[Path]:
    """Return the files that Powertools ships. Its module around them wants pydantic, and is not imported."""
    package = find_spec("aws_lambda_powertools")
    assert package is not None  # noqa: S101 - the layer cannot do without it
    assert package.origin is not None  # noqa: S101
    folder = Path(package.origin).parent / "event_handler" / "openapi" / "swagger_ui"
    return [folder / "swagger-ui-bundle.min.js", folder / "swagger-ui.min.css"]


SWAGGER_UI = _swagger_ui()


def docs_page(*, static: bool = False) -> bytes:
    """Return the contract's page."""
    return rendered("docs", root="" if static else "/", static=static)


@cache
def contract_here() -> bytes:
    """Return the contract as this server has it: at its own address, which asks nobody who they are."""
    contract = _contract()
    contract["servers"] = [{"url": "/", "description": "This server, as `make run` serves it."}]
    del contract["security"], contract["components"]["securitySchemes"]
    return _linked(contract, ending="")


@cache
def problem_pages(*, static: bool = False) -> dict[str, bytes]:
    """Return a page for each type of problem, by its last word, and under no word the one about all of them."""
    introduction, *sections = HEADING.split(PROBLEMS.read_text(encoding="utf-8"))
    title, about = introduction.strip().removeprefix("# ").split("\n", 1)
    types, others = {}, Markup()
    for heading, text in zip(sections[::2], sections[1::2], strict=True):
        if problem := PROBLEM.fullmatch(heading):
            types[problem[2]] = (problem[1], _html(text))
        else:
            place = heading.lower().replace(" ", "-")
            others += Markup('<h2 id="{}">{}</h2>{}').format(place, heading, _html(text))
    root, ending = ("../", ".html") if static else ("/", "")
    pages = {
        slug: rendered("problem", root=root, static=static, slug=slug, status=status, text=text)
        for slug, (status, text) in types.items()
    }
    pages[""] = rendered(
        "problems", root=root, static=static, title=title, about=_html(about), types=types, others=others, ending=ending
    )
    return pages


def write(folder: Path) -> None:
    """Write the contract's pages as files."""
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    (folder / "problems").mkdir(exist_ok=True)
    for file in [*(HERE / "assets").glob("*.css"), HERE / "assets" / "docs.js", *SWAGGER_UI]:
        shutil.copy(file, folder / "assets")
    (folder / "index.html").write_bytes(docs_page(static=True))
    (folder / "openapi.json").write_bytes(_linked(_contract(), ending=".html"))
    for slug, html in problem_pages(static=True).items():
        (folder / "problems" / f"{slug or 'index'}.html").write_bytes(html)


def _contract() -> dict[str, Any]:
    contract: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return contract


def _linked(contract: dict[str, Any], ending: str) -> bytes:
    """Return the contract with links where its text names a type of problem."""
    text = json.dumps(contract)
    text = re.sub(r"`/problems/([a-z-]+)`", rf"[`/problems/\1`](problems/\1{ending})", text)
    all_of_them = "problems/index.html" if ending else "problems"
    return text.replace("`docs/problems.md`", f"[the problems' pages]({all_of_them})").encode()


def _html(text: str) -> Markup:
    """Return what a page of docs/ says as HTML. It is ours, and has none of its own: that would be escaped."""
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))  # noqa: S704


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    print(f"Wrote the contract's pages to {sys.argv[1]}.")
