"""One customer explained: where the score comes from, what the cache holds of it, and what would be decided."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from markupsafe import Markup

from lending import wiring
from lending.adapters.score_document import from_document
from lending.domain.eligibility import Decision, decide
from lending.domain.loans import LoanApplication
from lending.domain.pricing import PricingSlab, slab_for
from lending.ports import CacheAwayError
from lending.request_errors import FieldError, InvalidRequestError
from lending.requests import loan_application
from local.pages import charts
from local.pages.entries import entry_of, kind_of
from local.pages.rendering import Page, missing, rendered
from local.pages.stores import DATABASE_AWAY, Customer, customer, money, why
from local.pages.tally import Tally

ASKED = {"loan_amount": "100000", "interest_rate": "8", "tenure": "12"}
"""What the form asks at first, as in all examples."""
COMPARED = (
    "credit_score",
    "loans",
    "over_limit",
    "on_hold",
    "room_for_installments",
)
WHAT_IT_IS = {"leases": "A lease: a check is reading the database", "markers": "A marker: a loan is being made"}
MOST_SHOWN = 2048
MINUTES_OF_AN_HOUR = 60


class Entry(NamedTuple):
    """What the cache holds of a customer."""

    says: str
    rows: Sequence[tuple[str, Any, Any]]
    """Each field in the cache and in the database."""
    text: str = ""


class WhatIf(NamedTuple):
    """An application that was only thought of."""

    asked: Mapping[str, str]
    errors: Sequence[FieldError]
    decision: Decision | None


def customer_page(customer_id: int, query: Mapping[str, str], host: str, tally: Tally) -> Page:
    """Return the page of a customer; 404 where there is none."""
    today = wiring.today()
    tally.catch_up()
    found, away = None, ""
    try:
        found = customer(customer_id, today)
    except DATABASE_AWAY as exc:
        away = why(exc)
    if found is None and not away:
        return missing(f"/customers/{customer_id}")
    what_if = _what_if(customer_id, query, found)
    html = rendered(
        "customer",
        root="/",
        customer_id=customer_id,
        customer=found,
        away=away,
        entry=_entry(customer_id, found, today),
        decisions=tally.decisions(customer_id),
        uncounted=tally.obstacle,
        what_if=what_if,
        lines=_lines(customer_id, what_if, host),
        explained=_explained(found) if found else {},
    )
    return Page(html)


def _explained(found: Customer) -> dict[str, object]:
    record, profile = found.record, found.profile
    policy = profile.policy
    parts = list(zip(profile.components._fields, profile.components, policy.weights, strict=True))
    share = record.current_installments + profile.room_for_installments
    said = ", ".join(f"{name} {points} of {possible}" for name, points, possible in parts)
    return {
        "parts": parts,
        "score_bar": charts.stacked([(n, float(p), float(w)) for n, p, w in parts], f"Score parts: {said}"),
        "slab": _slab_words(slab_for(profile.credit_score, policy.slabs)),
        "limit_bar": _meter(record.current_amount, record.approved_limit, "of the approved limit"),
        "salary_bar": _meter(record.current_installments, share, "of what the salary may carry"),
        "share": share,
        "share_pct": policy.salary_share_pct,
    }


def _meter(value: Decimal, most: Decimal, what: str) -> Markup:
    return charts.meter(float(value), float(most), f"{money(value)} {what}, {money(most)}")


def _slab_words(slab: PricingSlab | None) -> str:
    if slab is None:
        return "In no pricing slab: nothing is lent."
    return f"Lent at {slab.floor_rate_pct} % or more." if slab.floor_rate_pct else "Lent at any rate."


def _entry(customer_id: int, found: Customer | None, today: date) -> Entry:
    try:
        text, left = entry_of(customer_id)
    except CacheAwayError as exc:
        return Entry(f"Redis does not answer: {why(exc)}.", ())
    if text is None:
        return Entry("Nothing: the next check is a miss, and fills it.", ())
    ends = f"{_span(left)} left" if left >= 0 else "no end"
    shown = text.decode("utf-8", "replace")[:MOST_SHOWN]
    cached = from_document(text, customer_id, today, wiring.policy_of(today), wiring.settings().db_mark)
    if cached is None:
        return Entry(f"{WHAT_IT_IS.get(kind_of(text), 'Something that is taken for a miss')}, {ends}.", (), shown)
    if found is None:
        return Entry(f"A document, {ends}.", (), shown)
    rows = [(name, getattr(cached, name), getattr(found.profile, name)) for name in COMPARED]
    same = "as the database says" if all(a == b for _, a, b in rows) else "not as the database says now"
    return Entry(f"A document, {ends}: {same}.", rows, shown)


def _span(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= MINUTES_OF_AN_HOUR else f"{minutes} min {seconds} s"


def _what_if(customer_id: int, query: Mapping[str, str], found: Customer | None) -> WhatIf:
    asked = {name: query.get(name, first) for name, first in ASKED.items()}
    document = {"customer_id": Decimal(customer_id), **{name: _number(text) for name, text in asked.items()}}
    try:
        application: LoanApplication = loan_application(document)
    except InvalidRequestError as exc:
        return WhatIf(asked, exc.errors, None)
    return WhatIf(asked, (), decide(application, found.profile) if found else None)


def _number(text: str) -> object:
    """Return the number that a text is; the text itself, which is refused, where it is none."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def _literal(text: str) -> str:
    """Return what stands in a field of the form as JSON: a number where it is one."""
    number = _number(text)
    return str(number) if isinstance(number, Decimal) else json.dumps(text)


def _lines(customer_id: int, what_if: WhatIf, host: str) -> dict[str, str]:
    """Return what shows the same in a shell, by its program."""
    settings = wiring.settings()
    redis = ["redis-cli", "-h", settings.redis_host, "-p", str(settings.redis_port)]
    # Without a database number it may be a cluster, whose moves -c follows.
    redis += ["-n", str(settings.redis_db)] if settings.redis_db else ["-c"]
    asked = {name: _literal(text) for name, text in what_if.asked.items()}
    body = ", ".join(f'"{name}": {text}' for name, text in {"customer_id": str(customer_id), **asked}.items())
    return {
        "redis-cli": shlex.join([*redis, "GET", wiring.keyspace().entry(customer_id)]),
        "curl": shlex.join(["curl", "-i", f"http://{host}/check-eligibility", "-d", f"{{{body}}}"]),
    }
