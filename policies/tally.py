"""What two policies make of the same applications: counted, and added up over pieces of the book."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from lending.adapters.mysql_loans import record_of
from lending.domain.eligibility import Decision, decide
from lending.domain.loans import CreditRecord, LoanApplication
from lending.domain.policy import Policy
from lending.domain.pricing import slab_for
from lending.domain.scoring import CreditProfile, assess
from policies.snapshot import Row

SIDES = ("before", "after")
GRID = list(product((Decimal("50000.00"), Decimal("500000.00")), (Decimal("8.00"),), (12, 48)))
"""Amount, rate and tenure of what every customer is tried with."""


class Flip(NamedTuple):
    """An application that one policy approves and the other does not."""

    customer_id: int
    loan_amount: Decimal
    interest_rate: Decimal
    tenure: int
    change: str
    score_before: int
    score_after: int
    reasons: str
    """Against it, under the policy that declines."""


@dataclass
class Tally:
    """Counts of decisions under the policy before and the one after."""

    customers: int = 0
    applications: int = 0
    lost: int = 0
    gained: int = 0
    scores: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Customers by their scores before and after."""
    slabs: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    """Applications by side, slab and whether they are approved."""
    rates: Counter[str] = field(default_factory=Counter)
    """Applications approved by both, by what becomes of their rate."""
    rate_sums: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SIDES, Decimal(0)))
    """Over the same."""
    amounts: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SIDES, Decimal(0)))
    """The highest loan amounts, added up."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    flips: list[Flip] = field(default_factory=list)

    def add(self, record: CreditRecord, applications: Iterable[LoanApplication], terms: "Terms") -> None:
        """Decide a customer's applications under both policies."""
        before, after = (assess(record, terms.today, policy) for policy in (terms.before, terms.after))
        self.customers += 1
        self.scores[before.credit_score, after.credit_score] += 1
        names = _slab_name(before), _slab_name(after)
        alike = _same_terms(before, after)
        for application in applications:
            decision = decide(application, before)
            # Their scores may differ, but no score is counted here.
            self._add(application, decision, decision if alike else decide(application, after), names, (before, after))

    def _add(
        self,
        application: LoanApplication,
        before: Decision,
        after: Decision,
        slabs: tuple[str, str],
        profiles: tuple[CreditProfile, CreditProfile],
    ) -> None:
        self.applications += 1
        for side, slab, decision in zip(SIDES, slabs, (before, after), strict=True):
            self.slabs[side, slab, decision.approved] += 1
            self.amounts[side] += decision.highest_loan_amount or 0
            for reason in decision.reason_codes:
                self.reasons[side, reason.value] += 1
        if before.approved and after.approved:
            old, new = before.corrected_interest_rate, after.corrected_interest_rate
            self.rates["same" if old == new else "higher" if new > old else "lower"] += 1
            self.rate_sums["before"] += old
            self.rate_sums["after"] += new
        elif before.approved != after.approved:
            change, declined = ("lost", after) if before.approved else ("gained", before)
            self.lost += change == "lost"
            self.gained += change == "gained"
            reasons = " ".join(reason.value for reason in declined.reason_codes)
            self.flips.append(
                Flip(*application[:4], change, profiles[0].credit_score, profiles[1].credit_score, reasons)
            )

    def merge(self, other: "Tally") -> None:
        """Add another tally's counts, but not its flips, of which there may be many."""
        self.customers += other.customers
        self.applications += other.applications
        self.lost += other.lost
        self.gained += other.gained
        for mine, theirs in (
            (self.scores, other.scores),
            (self.slabs, other.slabs),
            (self.rates, other.rates),
            (self.reasons, other.reasons),
        ):
            mine.update(theirs)  # type: ignore[arg-type]  # each by its own kind of key
        for side in SIDES:
            self.rate_sums[side] += other.rate_sums[side]
            self.amounts[side] += other.amounts[side]


class Terms(NamedTuple):
    """Under what is decided."""

    before: Policy
    after: Policy
    today: date


def tally_of(rows: Sequence[Row], asked: Mapping[int, Sequence[LoanApplication]] | None, terms: Terms) -> Tally:
    """Return what the policies make of a piece of the book, where customers ask for the grid or for what they asked."""
    tally = Tally()
    for row in rows:
        record = record_of(row)
        if record is not None:
            tally.add(record, grid(record.customer_id) if asked is None else asked[record.customer_id], terms)
    return tally


def grid(customer_id: int) -> list[LoanApplication]:
    """Return the applications by which a customer is tried where no file says otherwise."""
    return [LoanApplication(customer_id, *terms) for terms in GRID]


def _slab_name(profile: CreditProfile) -> str:
    """Return the band of scores that a profile is in."""
    top = 100
    for slab in profile.policy.slabs:
        if profile.credit_score > slab.above_score:
            return f"{slab.above_score + 1}-{top}"
        top = slab.above_score
    return f"0-{top}"


def _same_terms(before: CreditProfile, after: CreditProfile) -> bool:
    """Return whether both policies decide alike, whatever this customer asks for."""
    slabs = [slab_for(profile.credit_score, profile.policy.slabs) for profile in (before, after)]
    rates = [None if slab is None else slab.floor_rate_pct for slab in slabs]
    return rates[0] == rates[1] and before.policy.salary_share_pct == after.policy.salary_share_pct
