"""Takes the pictures of README and docs/: of real traffic, a few minutes of it."""

import random
import time
from pathlib import Path

from local.sample_data.records import FIRST_CUSTOMER_ID
from tests.browser.scenarios import open_operations
from tests.browser.stage import Stage

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
TRAFFIC_SECONDS = 240
PAUSE_SECONDS = 0.02
CUSTOMERS, LENT_TO_PCT = 600, 3
SIZE = {"width": 1280, "height": 960}


def take_pictures(stage: Stage) -> None:
    """Write a picture of each page, in light and in dark."""
    _traffic(stage)
    FOLDER.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        for name, path in {"cache": "/cache", "customer": "/customers/1001", "docs": "/docs"}.items():
            with stage.page(path, scheme=scheme) as page:
                page.set_viewport_size(SIZE)
                if name == "docs":
                    open_operations(page)
                    page.locator(".opblock").nth(0).locator(".execute").click()
                    page.locator(".body-param").first.evaluate("(body) => body.scrollIntoView()")
                page.wait_for_timeout(1500)
                page.screenshot(path=FOLDER / f"{name}-{scheme}.png")


def _traffic(stage: Stage) -> None:
    """Check and lend for a while, often to the same customers."""
    print(f"pictures: {TRAFFIC_SECONDS} s of traffic", flush=True)
    rng = random.Random(1)
    stop_at = time.monotonic() + TRAFFIC_SECONDS
    while time.monotonic() < stop_at:
        customer_id = FIRST_CUSTOMER_ID + int(rng.betavariate(1, 4) * CUSTOMERS)
        lends = rng.randrange(100) < LENT_TO_PCT
        stage.post("/create-loan" if lends else "/check-eligibility", customer_id=customer_id, loan_amount=20000)
        time.sleep(PAUSE_SECONDS)
