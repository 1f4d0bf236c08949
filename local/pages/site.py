"""Which page lies where."""

import mimetypes
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from urllib.parse import parse_qsl, urlsplit

from local.pages import contract
from local.pages.cache import CachePage
from local.pages.customer import customer_page
from local.pages.home import HomePage
from local.pages.rendering import HERE, Page, missing
from local.pages.tally import Tally

LOOK_SECONDS = 0.9
"""An open page asks every second."""
SECONDS_FOR_A_PLACE = 0.1
"""A page of a store that answers takes less."""
HOSTS = {"127.0.0.1", "localhost", "::1"}
ASSETS = {path.name: path for path in [*(HERE / "assets").iterdir(), *contract.SWAGGER_UI]}
NUMBER = re.compile("[1-9][0-9]{0,9}")
LATER = Page(
    b"Other pages wait for a store. This one comes as soon as one of them has come.\n",
    "text/plain",
    503,
    also={"retry-after": "1", "refresh": "1"},
)


class Site:
    """All pages, on the wiring's stores and the functions' log."""

    def __init__(self, log: Path, places: int) -> None:
        """Take the functions' log, and how many pages may wait at a time: each keeps a worker of the API waiting."""
        self.places = BoundedSemaphore(places)
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
            if not self.places.acquire(timeout=SECONDS_FOR_A_PLACE):
                return LATER
            try:
                with self._lock:
                    found = self._at(path, dict(parse_qsl(query, keep_blank_values=True)), host)
            finally:
                self.places.release()
        return found or missing(path)

    def keep_fresh(self, ended: Event) -> None:
        """Look at the cache every second while somebody watches, so that no worker waits for it."""
        while not ended.wait(LOOK_SECONDS):
            if self._cache.watched():
                # What went wrong shows to whoever asks next: the page is made then.
                with suppress(Exception), self._lock:
                    self._cache.look()

    def _at(self, path: str, query: Mapping[str, str], host: str) -> Page | None:
        """Return a page that asks the stores."""
        if path in {"/", "/cache"}:
            return self._home.page() if path == "/" else self._cache.look()
        if path != "/customers" and not path.startswith("/customers/"):
            return None
        # The form on the first page names the customer in its query.
        number = query.get("id", "").strip() if path == "/customers" else path.removeprefix("/customers/")
        if NUMBER.fullmatch(number):
            return customer_page(int(number), query, host, self._tally)
        return missing(path, f"“{number}” is no customer's number. That has 1 to 10 digits, as in /customers/1001.")

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
