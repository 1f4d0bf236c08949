"""The first page: what this is, whether it is well, whom to ask about."""

import time
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from db.findings import Verdict
from doctor.cache import examine_cache
from doctor.database import examine_database
from doctor.examination import Result
from lending import wiring
from lending.domain.pricing import slab_for
from local.pages.rendering import Page, rendered
from local.pages.stores import DATABASE_AWAY, Customer, some_customers, why

GOOD_FOR_SECONDS = 4
"""What the checks found: each asks a store some ten times."""


class Suggestion(NamedTuple):
    """A customer worth a look, and why."""

    about: str
    customer: Customer


class HomePage:
    """Examines both stores every few seconds, if somebody looks."""

    def __init__(self) -> None:
        self._made_at = -float(GOOD_FOR_SECONDS)
        self._page = Page(b"")

    def page(self) -> Page:
        """Return the page."""
        if time.monotonic() - self._made_at >= GOOD_FOR_SECONDS:
            self._page = Page(self._rendered())
            self._made_at = time.monotonic()
        return self._page

    @staticmethod
    def _rendered() -> bytes:
        settings = wiring.settings()
        results: list[Result] = [*examine_database(settings, trial=False), *examine_cache(settings)]
        suggestions: Sequence[Suggestion] = []
        away = ""
        try:
            suggestions = worth_a_look(wiring.today())
        except DATABASE_AWAY as exc:
            away = why(exc)
        worst = max(result.finding.verdict for result in results)
        return rendered("home", results=results, worst=worst, Verdict=Verdict, suggestions=suggestions, away=away)


def worth_a_look(today: date) -> list[Suggestion]:
    """Return a customer for each thing that the rules do, as far as there is one.

    Raises:
        DATABASE_AWAY: One of these.
    """
    found: dict[str, Customer] = {}
    for customer in some_customers(today):
        found.setdefault(_about(customer), customer)
    return [Suggestion(*one) for one in sorted(found.items(), key=lambda one: one[1].profile.customer_id)]


def _about(customer: Customer) -> str:
    profile = customer.profile
    if profile.on_hold:
        return "on hold: declined whatever the score"
    if profile.loans == 0:
        return "no loan yet: declined"
    if profile.over_limit:
        return "owes more than the limit: declined"
    slab = slab_for(profile.credit_score, profile.policy.slabs)
    if slab is None:
        return "score too low: declined"
    return f"borrows at {slab.floor_rate_pct} % or more" if slab.floor_rate_pct else "borrows at any rate"
