"""What can go wrong, in terms of lending; nothing here knows HTTP, SQL or Redis.

LendingError
├── CustomerNotFoundError       no such customer
├── IdempotencyMismatchError    the key came before with another body
├── RequestInProgressError      the same customer's other request holds the lock; retry after a moment
├── OutcomeUnknownError         the store went away during the commit and did not come back in time
└── StoreUnavailableError       the loan store is away or busy; nothing was changed; safe to retry
    ├── ConnectionLostError     the connection ended under a transaction
    │   └── ConnectionTimedOutError     because the store kept silent; not worth another try
    └── TransactionConflictError    the transaction was chosen to lose against another

A declined application is a `Decision` with reason codes, not an exception. What is wrong with a request itself is in
`request_errors.py`.
"""


class LendingError(Exception):
    """Base of everything this package raises on purpose; the message is fit for the caller's eyes."""


class CustomerNotFoundError(LendingError):
    """No customer has this id."""

    def __init__(self, customer_id: int) -> None:
        super().__init__(f"No customer has id {customer_id}.")


class RequestInProgressError(LendingError):
    """Another request for the same customer still holds the lock; the same request may be sent again."""

    def __init__(self) -> None:
        super().__init__("Another request for this customer is still running.")


class IdempotencyMismatchError(LendingError):
    """The caller has used this Idempotency-Key for another request."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came before with another body.")


class OutcomeUnknownError(LendingError):
    """The connection ended during a commit, and what came of it could not be found out in time.

    Args:
        keyed: Whether the request came with an Idempotency-Key.
        decided: The LoanResult that the request had come to before its commit, for its record.
    """

    def __init__(self, *, keyed: bool = True, decided: object = None) -> None:
        self.decided = decided
        advice = (
            "send the same request with its Idempotency-Key again."
            if keyed
            else "look for it before you send the request again: without an Idempotency-Key, that may lend twice."
        )
        super().__init__(f"Whether the loan was made is not known; {advice}")


class StoreUnavailableError(LendingError):
    """The loan store is away or out of connections; the same request may be sent again."""

    def __init__(self, detail: str = "The loan store is away or busy.") -> None:
        super().__init__(detail)


class ConnectionLostError(StoreUnavailableError):
    """The connection ended while in use: what it had not committed is gone."""

    def __init__(self) -> None:
        super().__init__("The connection to the loan store was lost.")


class ConnectionTimedOutError(ConnectionLostError):
    """The store kept silent for too long: asking again would take as long again, and there is no time for that."""


class TransactionConflictError(StoreUnavailableError):
    """Another transaction got in the way of this one, which is undone; it may begin again at once."""

    def __init__(self) -> None:
        super().__init__("The loan store is busy with other requests of the same kind.")
