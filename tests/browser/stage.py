"""What the pages are looked at with: servers that can be frozen, the API on them twice, and a browser."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

from local.servers.mysql_server import start_mysql
from local.servers.programs import find_program, install, only_one
from local.servers.redis_server import start_redis
from local.servers.server import HOST, Server
from testkit.database import Database, connect
from testkit.served import served

SHOTS = Path(__file__).parents[2] / ".local" / "browser" / "shots"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APPLICATIONS = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
WIDTH, HEIGHT = 1200, 1800
PATIENCE_MS = 20_000
"""How long a page may take to show what it should; a busy machine is slow."""


def find_chromium() -> str:
    """Return the browser: the one that CHROMIUM names, the one that is there, or one that is installed now."""
    found = os.environ.get("CHROMIUM") or _found()
    if not found:
        with only_one("install"):
            install(apt=[["chromium", "fonts-dejavu-core"]], brew="chromium")
        found = _found()
    if not found:
        raise SystemExit("browser: Chromium was installed, yet is not to be found. Name it: CHROMIUM=path make browser")
    return found


def _found() -> str:
    applications = [Path("/Applications") / name for name in APPLICATIONS]
    return str(find_program(*PROGRAMS) or next((each for each in applications if each.exists()), ""))


@dataclass
class Stage:
    """All that is there to be looked at."""

    browser: Browser
    address: str
    """Of the API with the sample."""
    empty_address: str
    """Of one whose database has no customers."""
    mysql: Server
    redis: Server
    database: Database
    elsewhere: list[str] = field(default_factory=list)
    """What a page asked for that is not on this machine; it did not get it."""

    @contextmanager
    def page(self, path: str = "/", *, scheme: str = "light", address: str = "") -> Iterator[Page]:
        """Open a page in a window of its own; the clipboard may be written and read."""
        context = self.browser.new_context(
            color_scheme=scheme,
            viewport={"width": WIDTH, "height": HEIGHT},
            permissions=["clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
        )
        try:
            context.set_default_timeout(PATIENCE_MS)
            context.route("**/*", self._let_through)
            page = context.new_page()
            page.goto((address or self.address) + path)
            yield page
        finally:
            context.close()

    def post(self, path: str, **fields: object) -> Any:
        """Send an application to the API, as another client would; return what it answers."""
        application = {"loan_amount": 100000, "interest_rate": 8, "tenure": 12, **fields}
        request = Request(self.address + path, json.dumps(application).encode(), {"content-type": "application/json"})  # noqa: S310 - ours
        with urlopen(request, timeout=15) as answer:  # noqa: S310
            return json.load(answer)

    def _let_through(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname == HOST or route.request.url.startswith("data:"):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()


def keep(page: Page, name: str) -> None:
    """Keep a picture of a page, as far as the window reaches."""
    page.screenshot(path=SHOTS / f"{name}.png")


def findings(page: Page) -> list[str]:
    """Return what axe finds wrong with a page."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


@contextmanager
def stage() -> Iterator[Stage]:
    """Start everything, and stop it at the end."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as name,
        start_mysql(Path(name) / "mysql") as mysql,
        start_redis(Path(name) / "redis") as redis,
        connect(mysql.environment) as connection,
    ):
        folder = Path(name)
        stores = mysql.environment | redis.environment
        nobody = stores | {"DB_NAME": f"{stores['DB_NAME']}_nobody", "REDIS_DB": "2"}
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {nobody['DB_NAME']} CHARACTER SET utf8mb4")
        for each in ("sample", "nobody"):
            (folder / each).mkdir()
        with (
            served(stores, folder / "sample") as address,
            served(nobody, folder / "nobody", sample=False) as empty_address,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=find_chromium()) as browser,
        ):
            yield Stage(browser, address, empty_address, mysql, redis, Database(stores, connection))
