"""Makes HTML of templates: jinja2, which escapes whatever is put into them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.pages.stores import money
from local.pages.tally import clock

HERE = Path(__file__).parent
HTML = "text/html; charset=utf-8"
NOTHING_FROM_ELSEWHERE = (
    "default-src 'none'; script-src 'self'; style-src 'self'{inline}; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"money": money, "clock": clock}


class Page(NamedTuple):
    """What goes out over HTTP."""

    body: bytes
    content_type: str = HTML
    status: int = 200
    inline_styles: bool = False
    """Swagger UI sets some as it draws."""
    also: Mapping[str, str] = MappingProxyType({})
    """Headers beside those of every page."""

    def headers(self) -> dict[str, str]:
        """Return the headers; the browser itself sees to it that nothing comes from elsewhere."""
        return {
            "content-type": self.content_type,
            "content-security-policy": NOTHING_FROM_ELSEWHERE.format(
                inline=" 'unsafe-inline'" if self.inline_styles else ""
            ),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            **self.also,
        }


def rendered(template: str, *, root: str = "", static: bool = False, **values: object) -> bytes:
    """Return a page's HTML.

    Args:
        template: Its name, without the ending.
        root: What leads from the page to the first one.
        static: Whether it is for a web server that has only the contract.
        values: What the template asks for.
    """
    return _templates.get_template(f"{template}.html").render(root=root, static=static, **values).encode()


def missing(path: str, why: str = "") -> Page:
    """Return what is shown where there is nothing, and why there is not."""
    return Page(rendered("missing", root="/", path=path, why=why), status=404)
