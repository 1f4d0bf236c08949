"""What can go wrong, in terms of lending; nothing here knows HTTP, SQL or Redis.

LendingError
├── MalformedBodyError          the body is not one JSON document of a sane size
├── InvalidRequestError         fields out of bounds, all of them at once
├── RouteNotFoundError          the API has no such route
├── CustomerNotFoundError       no such customer
├── RequestInProgressError      the same customer's other request holds the lock; retry after a moment
└── StoreUnavailableError       the loan store is away or busy; safe to retry

A declined application is a `Decision` with reason codes, not an exception.
"""

from typing import NamedTuple


class LendingError(Exception):
    """Base of everything this package raises on purpose; the message is fit for the caller's eyes."""


class MalformedBodyError(LendingError):
    """The request body is missing, too large, or not one unambiguous JSON document in UTF-8."""


class FieldError(NamedTuple):
    """One thing wrong with a request."""

    pointer: str
    """Where, as a JSON pointer (RFC 6901) into the body or as the name of a header."""
    detail: str


class InvalidRequestError(LendingError):
    """The request is understood but breaks the contract; `errors` lists every breach."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("The request breaks the contract; each breach is listed in errors.")
        self.errors = errors


class RouteNotFoundError(LendingError):
    """No operation answers this method and path."""


class CustomerNotFoundError(LendingError):
    """No customer has this id."""

    def __init__(self, customer_id: int) -> None:
        super().__init__(f"No customer has id {customer_id}.")


class RequestInProgressError(LendingError):
    """Another request for the same customer still holds the lock; the same request may be sent again."""


class StoreUnavailableError(LendingError):
    """The loan store is away or out of connections; the same request may be sent again."""
