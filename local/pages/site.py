"""Which page lies where."""

import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Lock
from urllib.parse import parse_qsl, urlsplit

from local.pages import contract
from local.pages.cache import CachePage
from local.pages.customer import customer_page
from local.pages.home import HomePage
from local.pages.rendering import HERE, Page, rendered
from local.pages.tally import Tally

LOOK_SECONDS = 0.9
"""An open page asks every second."""
HOSTS = {"127.0.0.1", "localhost", "::1"}
ASSETS = {path.name: path for path in [*(HERE / "assets").iterdir(), *contract.SWAGGER_UI]}
CUSTOMER = re.compile(r"/customers/([1-9][0-9]{0,9})")


class Site:
    """All pages, on the wiring's stores and the functions' log."""

    def __init__(self, log: Path) -> None:
        self._lock = Lock()
        """Of the connections and the tally; a page that is made already needs neither."""
        self._tally = Tally(log)
        self._home = HomePage()
        self._cache = CachePage(self._tally)

    def page(self, target: str, host: str) -> Page:
        """Return what lies at a target, for who calls this machine by its own names.

        Another name would be another site's, which has it lead here to read what lies here.
        """
        if _name_in(host) not in HOSTS:
            return Page(b"Ask for these pages at 127.0.0.1 or localhost.", "text/plain", 421)
        path, _, query = target.partition("?")
        if path == "/cache" and (made := self._cache.made()):
            return made
        found = self._still(path)
        if found is None:
            with self._lock:
                found = self._at(path, dict(parse_qsl(query, keep_blank_values=True)), host)
        return found or Page(rendered("missing", root="/", path=path), status=404)

    def keep_fresh(self, ended: Event) -> None:
        """Look at the cache every second while somebody watches, so that no worker waits for it."""
        while not ended.wait(LOOK_SECONDS):
            if self._cache.watched():
                with self._lock:
                    self._cache.look()

    def _at(self, path: str, query: Mapping[str, str], host: str) -> Page | None:
        """Return a page that asks the stores."""
        if path in {"/", "/cache"}:
            return self._home.page() if path == "/" else self._cache.look()
        # The form on the first page names the customer in its query.
        if found := CUSTOMER.fullmatch(f"{path}/{query.get('id', '').strip()}" if path == "/customers" else path):
            return customer_page(int(found[1]), query, host, self._tally)
        return None

    @staticmethod
    def _still(path: str) -> Page | None:
        """Return a page that asks no store, and so waits for none."""
        if path == "/docs":
            return Page(contract.docs_page(), inline_styles=True)
        if path == "/openapi.json":
            return Page(contract.contract_here(), "application/json")
        if path == "/problems" or path.startswith("/problems/"):
            html = contract.problem_pages().get(path[len("/problems/") :])
            return None if html is None else Page(html)
        asset = ASSETS.get(path.removeprefix("/assets/"))
        return None if asset is None else Page(asset.read_bytes(), mimetypes.guess_type(asset.name)[0] or "")


def _name_in(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
