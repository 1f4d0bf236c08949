"""A policy: the numbers that the rules of lending work with, from one day to another."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from lending.domain.pricing import PricingSlab


class Weights(NamedTuple):
    """The most points that each part of a score can give; 100 together."""

    punctuality: int
    experience: int
    activity: int
    volume: int


class Policy(NamedTuple):
    """The numbers in force from a day on. What the rules do with them is code."""

    hash: str
    """Names the policy: of the canonical form of its file."""
    effective_from: date
    last_day: date
    """The day before the next policy begins."""
    weights: Weights
    full_experience: int
    """Number of loans that has full marks."""
    full_activity: int
    """Number of loans this year that has full marks."""
    full_volume: Decimal
    """Amount lent that has full marks, in major currency units."""
    slabs: tuple[PricingSlab, ...]
    """The highest scores first. A score in none of them declines."""
    salary_share_pct: Decimal
    """How much of a salary all installments together may take."""


def in_force(policies: Sequence[Policy], day: date) -> Policy:
    """Return the policy in force on a day; the policies are in the order of their days.

    Raises:
        LookupError: The day is before the first policy.
    """
    for policy in reversed(policies):
        if policy.effective_from <= day:
            return policy
    raise LookupError(f"no policy is in force on {day}")
