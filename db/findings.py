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
    """What one check found."""

    verdict: Verdict
    found: str
    to_do: str = ""
    """Empty where there is nothing to do."""


def ok(found: str) -> Finding:
    """Find what is fit."""
    return Finding(Verdict.OK, found)


def unknown(found: str) -> Finding:
    """Find that nothing can be seen."""
    return Finding(Verdict.UNKNOWN, found)


def warning(found: str, to_do: str) -> Finding:
    """Find what works for now."""
    return Finding(Verdict.WARNING, found, to_do)


def failed(found: str, to_do: str) -> Finding:
    """Find what the service cannot work with, or breaks its promises on."""
    return Finding(Verdict.FAILED, found, to_do)
