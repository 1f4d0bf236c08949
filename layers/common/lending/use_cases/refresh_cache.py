"""Keep the cache: every second drop what must go and renew what will be wanted, once a run inspect a sample.

Around the midnight at which a policy begins, that is every entry: under the next policy all of them are misses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, assess
from lending.ports import BulkScoreCache, CachedProfile, LoanStore, Outbox, Renewal

BATCH = 1000
SAMPLE = 50
MIN_SECONDS_TO_GO_ON = 10.0
"""A batch takes a fraction of a second, and at the worst as long as sockets and locks may be waited for."""

TURN_SECONDS = 3600
"""So long before and after the midnight at which a policy begins, entries are renewed for it."""
MAX_SECONDS_OF_A_TURN = 0.5
"""The next sweep is due in a second."""


@dataclass
class RefreshReport:
    """What one run did."""

    swept: int = 0
    """Invalidations whose delete was confirmed, for the first or the second time."""
    oldest_seconds: int | None = None
    """Age of the oldest invalidation that is still to be swept; None while nobody could look."""
    warmed: int = 0
    """Entries renewed before they expired, or for another policy."""
    inspected: int = 0
    """Entries compared with the store."""
    mismatches: list[CachedProfile] = field(default_factory=list)
    """Entries that were not what the store says; dropped."""
    failures: dict[str, Exception] = field(default_factory=dict)
    """What kept a step from its end when it was last tried, by the step's name; the others have run all the same."""


@dataclass
class CacheRefresh:
    """One run, each step bounded in rows and time; several at once share the work."""

    outbox: Outbox
    store: LoanStore
    cache: BulkScoreCache
    today: Callable[[], date]
    """The date where the business is; a run may last beyond midnight."""
    day_in: Callable[[float], date]
    """The date there in so many seconds."""
    policy_of: Callable[[date], Policy]
    seconds_left: Callable[[], float]
    report: RefreshReport = field(default_factory=RefreshReport)
    _place: int = 0
    """Where turn() goes on."""

    def run(self, pause: Callable[[float], bool]) -> RefreshReport:
        """Sweep, warm and turn again and again, inspect once; return what was done and what failed.

        Args:
            pause: Waits until the next sweep is due, unless that takes more than so many seconds or there is to be
                none; returns whether there is.
        """
        self._try(self.sweep)
        self._try(self.inspect)
        self._try(self.warm)
        self._try(self.turn)
        while pause(self.seconds_left() - MIN_SECONDS_TO_GO_ON):
            self._try(self.sweep)
            self._try(self.warm)
            self._try(self.turn)
        # Where sweeps are rare there is time for whatever waits.
        self._try(self.warm_all)
        self._try(self.turn_all)
        return self.report

    def sweep(self) -> None:
        """Drop the entries that the outbox names; its rows go only after deletes that Redis has confirmed."""
        try:
            while self._time_to_go_on():
                with self.outbox.batch(BATCH) as batch:
                    # Of those whose node is away the rows stay; nobody else waits for them.
                    left = self.cache.finish_writes(batch.invalidations)
                    self.report.swept += batch.confirm(except_of=left)
                if batch.rows < BATCH:
                    break
        finally:
            self.report.oldest_seconds = self.outbox.oldest_seconds()

    def warm_all(self) -> None:
        """Renew the entries that were asked for in their last hour."""
        while self._time_to_go_on() and self.warm():
            pass

    def warm(self) -> bool:
        """Renew some of them, with one statement; return whether there may be more. Sweeps do not wait for the rest."""
        if not self._time_to_go_on():
            return False
        today = self.today()
        customer_ids = self.cache.pop_expiring(BATCH)
        entries = self.cache.entries(customer_ids, today, self.policy_of(today))
        # Read after the entries were seen: one is replaced only while it is still the very same.
        fresh = self._fresh_profiles([entry.profile.customer_id for entry in entries], today)
        known = [entry for entry in entries if entry.profile.customer_id in fresh]
        self.report.warmed += self.cache.replace(
            [Renewal(entry.text, fresh[entry.profile.customer_id]) for entry in known]
        )
        return len(customer_ids) == BATCH

    def turn_all(self) -> None:
        """Renew all entries for the policy that begins, if one does."""
        while self._time_to_go_on() and self.turn():
            pass

    def turn(self) -> bool:
        """Around the midnight at which a policy begins, renew some entries for it; return whether there may be more.

        Before it, they get the profile of the day to come beside today's; after it, that profile in their place.
        """
        today, day = self.today(), self.day_in(TURN_SECONDS)
        policy = self.policy_of(day)
        if policy == self.policy_of(self.day_in(-TURN_SECONDS)) or not self._time_to_go_on():
            return False
        stop_at = self.seconds_left() - MAX_SECONDS_OF_A_TURN
        while True:
            self._place, entries = self.cache.unready(self._place, BATCH, day, policy)
            # Read after the entries were seen, as in warm().
            then = self._fresh_profiles(list(entries), day)
            now = then if day == today else self._fresh_profiles(list(entries), today)
            self.report.warmed += self.cache.replace(
                [
                    Renewal(entries[customer_id], now[customer_id], None if now is then else then[customer_id])
                    for customer_id in now.keys() & then.keys()
                ]
            )
            if self._place == 0 or self.seconds_left() < stop_at:
                return self._place != 0

    def inspect(self) -> None:
        """Compare a sample of entries with the store, and drop what is not what it says."""
        today = self.today()
        entries = self.cache.sample(SAMPLE, today, self.policy_of(today))
        fresh = self._fresh_profiles([entry.profile.customer_id for entry in entries], today)
        self.report.inspected += len(entries)
        wrong = [entry for entry in entries if not _same(entry.profile, fresh.get(entry.profile.customer_id))]
        if wrong:
            # What the outbox names is on its way out. Looked at after the store: no change is in neither.
            pending = self.outbox.pending([entry.profile.customer_id for entry in wrong])
            wrong = [entry for entry in wrong if entry.profile.customer_id not in pending]
            # An entry that went meanwhile proves nothing; one that still stands after the read was wrong at the read.
            self.report.mismatches += self.cache.discard(wrong)

    def _time_to_go_on(self) -> bool:
        return self.seconds_left() > MIN_SECONDS_TO_GO_ON

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - one that cannot go on keeps none of the others from trying
            self.report.failures[step.__name__] = exc
        else:
            self.report.failures.pop(step.__name__, None)

    def _fresh_profiles(self, customer_ids: Sequence[int], day: date) -> dict[int, CreditProfile]:
        records = self.store.credit_records(customer_ids, day) if customer_ids else []
        policy = self.policy_of(day)
        return {record.customer_id: assess(record, day, policy) for record in records}


def _same(cached: CreditProfile, fresh: CreditProfile | None) -> bool:
    """Return whether both say the same of the customer, whatever day they were made on."""
    if fresh is None or cached._replace(as_of=fresh.as_of, valid_through=fresh.valid_through) != fresh:
        return False
    # Another release may know of another next policy, at whose hash the entry ends; or of none.
    return min(cached.valid_through, fresh.policy.last_day) <= fresh.valid_through
