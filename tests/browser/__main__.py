"""Looks at the pages in a real browser: `make browser`, and `make pictures` for those of the docs.

What it saw lies in .local/browser/shots afterwards.
"""

import shutil
import sys
import time
from collections.abc import Callable

from tests.browser.pictures import take_pictures
from tests.browser.scenarios import SCENARIOS
from tests.browser.stage import SHOTS, Stage, stage


def main() -> None:
    """Play all scenarios; exit with 1 where one fails."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    with stage() as set_up:
        if sys.argv[1:] == ["pictures"]:
            take_pictures(set_up)
            return
        failed = [play(scenario, set_up) for scenario in SCENARIOS].count(False)
    print(f"{len(SCENARIOS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def play(scenario: Callable[[Stage], None], set_up: Stage) -> bool:
    """Play a scenario and say how it ended."""
    began = time.monotonic()
    name = scenario.__name__.replace("_", " ")
    try:
        scenario(set_up)
    except Exception as exc:  # noqa: BLE001 - the browser's own errors are failures too
        print(f"browser: not so: {name}\n{exc}", flush=True)
        return False
    print(f"browser: {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return True


if __name__ == "__main__":
    main()
