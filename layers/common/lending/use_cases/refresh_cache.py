"""Every minute: drop what must go, renew what will be wanted, and look whether the cache keeps its promise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from lending.domain.scoring import CreditProfile, assess
from lending.ports import BulkScoreCache, CachedProfile, LoanStore, Outbox

BATCH = 500
SAMPLE = 50
MIN_SECONDS_TO_GO_ON = 10.0
"""A batch takes a fraction of a second, and at the worst as long as sockets and locks may be waited for."""


@dataclass
class RefreshReport:
    """What one run did."""

    swept: int = 0
    """Invalidations whose delete was confirmed."""
    oldest_seconds: int | None = None
    """Age of the oldest invalidation that is still to be swept; None while nobody could look."""
    warmed: int = 0
    """Entries renewed before they expired."""
    inspected: int = 0
    """Entries held against the store."""
    mismatches: list[CachedProfile] = field(default_factory=list)
    """Entries that were not what the store says; dropped."""
    failures: list[Exception] = field(default_factory=list)
    """What kept a step from its end; the others have run all the same."""


@dataclass(frozen=True)
class CacheRefresh:
    """One run, each step bounded in rows and time; two at once do no harm."""

    outbox: Outbox
    store: LoanStore
    cache: BulkScoreCache
    today: date
    seconds_left: Callable[[], float]
    report: RefreshReport = field(default_factory=RefreshReport)

    def run(self) -> RefreshReport:
        """Sweep, warm and inspect; return what was done and what failed."""
        for step in (self.sweep, self.warm, self.inspect):
            try:
                step()
            except Exception as exc:  # noqa: BLE001 - one that cannot go on keeps none of the others from trying
                self.report.failures.append(exc)
        return self.report

    def sweep(self) -> None:
        """Drop the entries that the outbox names; its rows go only after deletes that Redis has confirmed."""
        try:
            while self.seconds_left() > MIN_SECONDS_TO_GO_ON:
                with self.outbox.batch(BATCH) as batch:
                    self.cache.finish_writes(batch.invalidations)
                    batch.confirm()
                self.report.swept += len(batch.invalidations)
                if len(batch.invalidations) < BATCH:
                    break
        finally:
            self.report.oldest_seconds = self.outbox.oldest_seconds()

    def warm(self) -> None:
        """Renew the entries that were asked for in their last hour, hundreds with one statement."""
        while self.seconds_left() > MIN_SECONDS_TO_GO_ON:
            customer_ids = self.cache.pop_expiring(BATCH)
            entries = self.cache.entries(customer_ids, self.today)
            # Read after the entries were seen: one is replaced only while it is still the very same.
            fresh = self._fresh_profiles(entries)
            known = [entry for entry in entries if entry.profile.customer_id in fresh]
            self.report.warmed += self.cache.replace([(entry, fresh[entry.profile.customer_id]) for entry in known])
            if len(customer_ids) < BATCH:
                break

    def inspect(self) -> None:
        """Hold a sample of entries against the store, and drop what is not what it says."""
        entries = self.cache.sample(SAMPLE, self.today)
        fresh = self._fresh_profiles(entries)
        wrong = [entry for entry in entries if not _same(entry.profile, fresh.get(entry.profile.customer_id))]
        self.report.inspected += len(entries)
        # An entry that went meanwhile proves nothing; one that still stands after the read was wrong at the read.
        self.report.mismatches += self.cache.discard(wrong)

    def _fresh_profiles(self, entries: Sequence[CachedProfile]) -> dict[int, CreditProfile]:
        customer_ids = [entry.profile.customer_id for entry in entries]
        records = self.store.credit_records(customer_ids, self.today) if customer_ids else []
        return {record.customer_id: assess(record, self.today) for record in records}


def _same(cached: CreditProfile, fresh: CreditProfile | None) -> bool:
    """Return whether both say the same of the customer, whatever day they were made on."""
    return fresh is not None and cached._replace(as_of=fresh.as_of) == fresh
