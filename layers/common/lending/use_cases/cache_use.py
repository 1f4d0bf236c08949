"""How one request used the cache, for its answer's Cache-Status and its metrics."""

from dataclasses import dataclass
from enum import Enum

from lending.ports import BypassReason, Fill, LookUp


class CacheOutcome(Enum):
    """What looking the customer up came to."""

    HIT = "hit"
    """The cached profile decided."""
    MISS = "fwd=miss"
    BYPASS = "fwd=bypass"
    """The cache did not found."""
    PASSED_ON = "fwd=method"
    """There was a profile, but a loan is only ever granted on what the store says."""


@dataclass(slots=True)
class CacheUse:
    """Filled in as the request goes on, so that an error's answer can tell as well."""

    outcome: CacheOutcome | None = None
    """None while the cache was not looked at."""
    bypass: BypassReason | None = None
    stored: bool = False
    """Whether this request filled the entry it missed."""
    unconfirmed: bool = False
    """Whether the cache did not confirm a fill or a delete; the next sweep makes the delete good."""

    def note(self, found: LookUp) -> None:
        """Take down what the cache held."""
        self.bypass = found.bypass
        if found.bypass is not None:
            self.outcome = CacheOutcome.BYPASS
        else:
            self.outcome = CacheOutcome.HIT if found.profile is not None else CacheOutcome.MISS

    def note_fill(self, fill: Fill) -> None:
        """Take down what became of the fill."""
        self.stored = fill is Fill.STORED
        self.unconfirmed = fill is Fill.FAILED
