"""What can be wrong with a request before any rule of lending looks at it.

RequestError
├── RouteNotFoundError      the API has no such route
├── UnknownCallerError      the caller cannot be told apart from others
├── ScopeMissingError       the caller's token does not reach so far
├── ContentEncodingError    the body is compressed
├── BodyTooLargeError       the body is larger than any application
├── MalformedBodyError      the body is not one JSON document
└── InvalidRequestError     fields out of bounds, all of them at once
"""

from typing import NamedTuple

from lending.errors import LendingError


class RequestError(LendingError):
    """The request cannot be read as one of the contract's."""


class UnknownCallerError(RequestError):
    """The gateway let the caller in, but nothing tells them apart from others: whose key is it, whose decision?"""


class ScopeMissingError(RequestError):
    """The caller's token lacks the scope that the operation requires."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope {scope}.")


class ContentEncodingError(RequestError):
    """The body is compressed or otherwise encoded."""


class BodyTooLargeError(RequestError):
    """The body is larger than an application can be."""


class MalformedBodyError(RequestError):
    """The request body is missing, or not one unambiguous JSON document in UTF-8."""


class FieldError(NamedTuple):
    """One thing wrong with a request."""

    pointer: str
    """Where, as a JSON pointer (RFC 6901) into the body or as the name of a header."""
    detail: str


class InvalidRequestError(RequestError):
    """The request is understood but breaks the contract; `errors` lists every breach."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("The request breaks the contract; each breach is listed in errors.")
        self.errors = errors


class RouteNotFoundError(RequestError):
    """No operation answers this method and path."""
