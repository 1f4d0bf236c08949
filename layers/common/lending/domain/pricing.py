"""Pricing slabs: the lowest rate at which a credit score may borrow."""

from decimal import Decimal
from typing import NamedTuple


class PricingSlab(NamedTuple):
    """A band of credit scores with one lowest rate."""

    above_score: int
    """The band holds the scores above this one, up to the next band."""
    floor_rate_pct: Decimal
    """Lowest yearly rate in percent."""


SLABS = (
    PricingSlab(above_score=50, floor_rate_pct=Decimal(0)),
    PricingSlab(above_score=30, floor_rate_pct=Decimal(12)),
    PricingSlab(above_score=10, floor_rate_pct=Decimal(16)),
)
"""Best first: a score is of the first slab that it is above. Below the last one nobody borrows."""


def slab_for(credit_score: int) -> PricingSlab | None:
    """Return the slab of a score; None where the score declines. An edge belongs to the dearer slab."""
    return next((slab for slab in SLABS if credit_score > slab.above_score), None)


def corrected_rate(slab: PricingSlab | None, interest_rate: Decimal) -> Decimal:
    """Return the larger of the asked yearly rate (percent) and the slab's floor; the asked one where there is none."""
    return interest_rate if slab is None else max(interest_rate, slab.floor_rate_pct)
