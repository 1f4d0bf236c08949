"""Sums that a controller compares: rows, amounts, and what of them still runs."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class FileTotals:
    """What stood in a file, summed up while it was read."""

    rows: int
    amount: Decimal
    """Of approved limits or of loan amounts, as far as they can be read."""


@dataclass(frozen=True)
class Totals:
    """What some loans, or some customers, add up to."""

    rows: int
    amount: Decimal
    running: Decimal = Decimal(0)
    """The amounts of loans that are not PAID and have not ended."""
    unreadable: int = 0
    """Rows whose amount cannot be read, and is in no sum."""
