"""Pricing slabs: the lowest rate at which a credit score may borrow."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple


class PricingSlab(NamedTuple):
    """A band of credit scores with one lowest rate."""

    above_score: int
    """The band holds the scores above this one, up to the next band."""
    floor_rate_pct: Decimal
    """Lowest yearly rate in percent."""


def slab_for(credit_score: int, slabs: Sequence[PricingSlab]) -> PricingSlab | None:
    """Return the slab of a score; None where the score declines. An edge belongs to the dearer slab.

    Args:
        credit_score: The score.
        slabs: Those of a policy, the highest scores first.
    """
    for slab in slabs:
        if credit_score > slab.above_score:
            return slab
    return None


def corrected_rate(slab: PricingSlab | None, interest_rate: Decimal) -> Decimal:
    """Return the larger of the asked yearly rate (percent) and the slab's floor; the asked one where there is none."""
    return interest_rate if slab is None else max(interest_rate, slab.floor_rate_pct)
