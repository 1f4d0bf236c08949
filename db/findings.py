"""What a check of a store found, and what to do about it."""

from enum import IntEnum
from typing import NamedTuple


class Verdict(IntEnum):
    """How fit a store is; the larger, the worse."""

    OK = 0
    UNKNOWN = 1
    """This account may not look."""
    WARNING = 2
    FAILED = 3


class Finding(NamedTuple):
    """One check, carried out."""

    check: str
    verdict: Verdict
    found: str
    to_do: str = ""
    """Empty where there is nothing to do."""
