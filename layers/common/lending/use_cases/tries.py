"""How often and how long one request tries to lend, and what it must find out before it may give up."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lending.errors import (
    ConnectionLostError,
    OutcomeUnknownError,
    RequestInProgressError,
    StoreUnavailableError,
    TransactionConflictError,
)
from lending.patience import Patience

if TYPE_CHECKING:
    from lending.use_cases.create_loan import LoanResult

MAX_CONFLICTS = 3
MAX_LOST_CONNECTIONS = 1
NO_TIME_LEFT = "There is not enough time left to make a loan."


class Tries:
    """The tries of one request.

    Args:
        milliseconds_left: Tells how long the function may still run.
        pause: Waits for a random time up to the seconds that it is given.
        patience: The limits.
        keyed: Whether the request can be sent again without being another one.
    """

    def __init__(
        self, milliseconds_left: Callable[[], int], pause: Callable[[float], None], patience: Patience, *, keyed: bool
    ) -> None:
        self._milliseconds_left = milliseconds_left
        self._pause = pause
        self._patience = patience
        self._keyed = keyed
        self._left: dict[type[Exception], int] = {
            TransactionConflictError: MAX_CONFLICTS,
            ConnectionLostError: MAX_LOST_CONNECTIONS,
        }
        self.in_doubt = False
        """Whether a commit was sent whose reply never came, and nobody has looked since."""
        self.decided: LoanResult | None = None
        """What the last try came to before its commit: it explains what that turns out to have been."""

    def require_time_to_begin(self) -> None:
        """Give up rather than begin a transaction that could be cut off while it waits.

        Raises:
            OutcomeUnknownError: There is no time to find out what became of an earlier try.
            StoreUnavailableError: Nothing was done.
        """
        if self._less_left_than(self._patience.time_to_begin):
            if self.in_doubt:
                raise OutcomeUnknownError(keyed=self._keyed, decided=self.decided)
            raise StoreUnavailableError(NO_TIME_LEFT)

    def require_time_to_commit(self) -> None:
        """Give up, while nothing is done yet, rather than be cut off before the answer.

        Raises:
            StoreUnavailableError: Nothing was done.
        """
        if self._less_left_than(self._patience.time_to_commit):
            raise StoreUnavailableError(NO_TIME_LEFT)

    @property
    def in_haste(self) -> bool:
        """Whether there is no time to wait for the cache before the answer."""
        return self._less_left_than(self._patience.time_to_answer)

    def looked(self) -> None:
        """End the doubt: under the lock, the store has told what became of the earlier tries."""
        self.in_doubt = False

    def failed(self, failure: Exception) -> None:
        """Pause before the next try, or raise the failure when there is to be none."""
        if isinstance(failure, OutcomeUnknownError):
            self.in_doubt = True
        elif not self._worth_another_try(failure):
            raise failure
        self._pause(self._patience.pause_while_away if self.in_doubt else self._patience.pause_after_conflict)

    def _less_left_than(self, seconds: float) -> bool:
        return self._milliseconds_left() < seconds * 1000

    def _worth_another_try(self, failure: Exception) -> bool:
        if self.in_doubt and isinstance(failure, StoreUnavailableError | RequestInProgressError):
            return True  # until somebody has looked, time alone is the limit
        if self._left.get(type(failure), 0) == 0:
            return False
        self._left[type(failure)] -= 1
        return True
