"""What the use cases need of the outside world; the adapters fulfil it."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import date
from enum import Enum
from typing import NamedTuple, Protocol

from lending.domain.eligibility import Decision
from lending.domain.loans import CreditRecord, LoanApplication, LoanMade, LoanRequest
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile


class EarlierResult(NamedTuple):
    """What was decided on an application before."""

    application: LoanApplication
    decision: Decision
    loan: LoanMade | None
    """The loan that was made; None for a decline."""
    request_id: str
    """The request that had this result first."""


class LoanTransaction(Protocol):
    """One unit of work on one customer, whom it holds; nothing of it stays unless commit() is called.

    Every method may raise TransactionConflictError, after which it may begin again, ConnectionLostError, after which
    nothing of it stays, or StoreUnavailableError.
    """

    def read(self, request: LoanRequest, today: date) -> tuple[EarlierResult | None, CreditRecord]:
        """Return what a request with the same key came to before, and the customer's record, both read at one moment.

        They include whatever was committed before the lock was had.
        """

    def result_of_request(self, customer_id: int, request_id: str) -> EarlierResult | None:
        """Return the loan that this very request has made, if it has."""

    def add_loan(self, request: LoanRequest, decision: Decision, start: date, end: date) -> LoanMade:
        """Record the approved loan from its start to its end, and return it.

        The store records an invalidation with it: the cached profile is dropped even if whoever commits this is killed
        right after.
        """

    def add_decline(self, request: LoanRequest, decision: Decision) -> None:
        """Record a decline under the request's idempotency key."""

    def commit(self) -> None:
        """Make all of it durable.

        Raises:
            OutcomeUnknownError: The connection ended before the store said whether it is.
        """


class Reading(NamedTuple):
    """A record, and whether it may be kept."""

    record: CreditRecord
    from_writer: bool
    """Whether the store that gave it takes writes; after a failover, a demoted one may lack the newest loans."""


class LoanStore(Protocol):
    """The system of record. Every method may raise StoreUnavailableError."""

    def credit_record(self, customer_id: int, today: date) -> Reading:
        """Return the customer's record in one statement that sees all that was committed before it began.

        Raises:
            CustomerNotFoundError: No such customer.
        """

    def credit_records(self, customer_ids: Sequence[int], today: date) -> list[CreditRecord]:
        """Return the records of hundreds of customers in one statement; unknown ones are left out.

        Raises:
            StoreUnavailableError: Also when only a store that takes no writes is there.
        """

    def transaction(self, customer_id: int) -> AbstractContextManager[LoanTransaction]:
        """Begin a transaction: wait for the customer, then hold them until it ends.

        Leaving the context without commit() rolls it back.

        Raises:
            CustomerNotFoundError: No such customer.
            RequestInProgressError: Another transaction held the customer for too long.
        """


class BypassReason(Enum):
    """Why the cache could not be asked."""

    UNAVAILABLE = "unavailable"
    """It was asked, and there was no reply."""
    BREAKER_OPEN = "breaker-open"
    """It was not asked, since it had failed."""
    MISCONFIGURED = "misconfigured"
    """It replied that it refuses this service; that will not pass by itself."""


class LookUp(NamedTuple):
    """What the cache holds of a customer."""

    profile: CreditProfile | None
    """The profile on a hit, else None."""
    lease: bytes | None = None
    """On a miss, the right to fill the entry; None when another request has it or the cache is away."""
    bypass: BypassReason | None = None
    """Why the cache could not be asked; None when it replied."""


class Fill(Enum):
    """What became of an attempt to fill an entry."""

    STORED = "stored"
    TOO_LATE = "too late"
    """The lease no longer holds: a writer has ended it, or the time has."""
    FAILED = "failed"
    """The cache gave no reply."""


MARKER = b"write:"
"""How a writer's marker begins."""


class ScoreCache(Protocol):
    """Profiles kept near. Nothing here raises: a cache that is away is slower, never wrong."""

    def look_up(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        """Return the customer's profile under a policy or, when there is none, the right to fill it."""

    def peek(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        """Return the customer's profile if it is there, without asking for the right to fill it."""

    def fill(self, lease: bytes, profile: CreditProfile) -> Fill:
        """Keep a profile that was read after the lease was taken."""

    def begin_write(self, customer_id: int, marker: bytes) -> None:
        """Send a writer's marker, without waiting for anything. confirm_write() must follow, or retract_write()."""

    def confirm_write(self, customer_id: int, marker: bytes) -> bool:
        """Put a writer's marker, which drops the entry and lets none be filled until the write is over.

        One that begin_write() has sent is only waited for.

        Returns:
            Whether the cache has confirmed it.
        """

    def finish_write(self, customer_id: int, marker: bytes, *, wait: bool = True) -> bool:
        """After the commit: drop the entry and let it be filled again, unless another write is under way.

        Args:
            customer_id: Whose loans have changed.
            marker: That of the write.
            wait: Whether there is time to wait for the cache's reply; the delete is sent in any case.
        Returns:
            Whether the cache has confirmed it; if not, the next sweep does it.
        """

    def retract_write(self, customer_id: int, marker: bytes) -> None:
        """After a rollback: let the entry be filled again."""


class Invalidation(NamedTuple):
    """Committed changes of what a customer's score is made of, which their cached profile must not outlive."""

    customer_id: int
    markers: tuple[bytes, ...]
    """Those of their writers, which may have left them behind."""


class InvalidationBatch(Protocol):
    """Some invalidations, locked for whoever drops the entries they name."""

    invalidations: Sequence[Invalidation]
    """One for each customer."""
    rows: int
    """How many the store holds for them."""

    def confirm(self, *, except_of: Collection[int] = ()) -> int:
        """Note that the entries are gone, but for those of some customers; return how many rows that settles."""


class Outbox(Protocol):
    """The committed invalidations. Every method may raise StoreUnavailableError."""

    def batch(self, limit: int) -> AbstractContextManager[InvalidationBatch]:
        """Lock and give those that are due, the never swept first, passing over what another run has locked."""

    def oldest_seconds(self) -> int:
        """Return the age of the oldest one that was never swept; 0 when there is none.

        Raises:
            StoreUnavailableError: Also when only a store that takes no writes was asked; the next call asks another.
        """

    def pending(self, customer_ids: Sequence[int]) -> set[int]:
        """Return which of these customers have an invalidation that is still to be swept, once or twice."""


class CachedProfile(NamedTuple):
    """A profile as it was seen in the cache."""

    profile: CreditProfile
    text: bytes
    """The entry, byte for byte."""


class Renewal(NamedTuple):
    """What is to take the place of an entry."""

    seen: bytes
    """The entry as it was seen, byte for byte."""
    profile: CreditProfile
    following: CreditProfile | None = None
    """The profile of the day on which the next policy begins, if that is near."""


class CacheAwayError(Exception):
    """The cache gave no reply. Never reaches a caller of the API."""

    def __init__(self, reason: BypassReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class BulkScoreCache(Protocol):
    """The cache in bulk, for its refresh. Unlike ScoreCache, every method raises CacheAwayError."""

    def finish_writes(self, invalidations: Sequence[Invalidation]) -> set[int]:
        """Do for each what ScoreCache.finish_write does; return the customers for whom no node said that it was done.

        Raises:
            CacheAwayError: No node said so for anybody.
        """

    def pop_expiring(self, limit: int) -> list[int]:
        """Take customers whose entry was asked for in its last hour."""

    def entries(self, customer_ids: Sequence[int], today: date, policy: Policy) -> list[CachedProfile]:
        """Return what is cached of these customers."""

    def sample(self, limit: int, today: date, policy: Policy) -> list[CachedProfile]:
        """Return some entries, at random."""

    def unready(self, place: int, limit: int, day: date, policy: Policy) -> tuple[int, dict[int, bytes]]:
        """Look about so many entries through for those that hold no profile for a day under a policy.

        Args:
            place: Where to begin: 0, or what the call before returned.
            limit: About how many to look through.
            day: The day.
            policy: The one in force then.
        Returns:
            Where to go on, 0 at the end; and by customer the entries, byte for byte.
        """

    def replace(self, renewals: Sequence[Renewal]) -> int:
        """Put newer profiles for a day in the place of each entry that is still as it was seen; return how many."""

    def discard(self, entries: Sequence[CachedProfile]) -> list[CachedProfile]:
        """Drop each entry that is still as it was seen, and return those."""
