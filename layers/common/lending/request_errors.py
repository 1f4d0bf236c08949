"""What can be wrong with a request before any rule of lending looks at it.

RequestError
├── MalformedBodyError      the body is not one JSON document of a sane size
├── InvalidRequestError     fields out of bounds, all of them at once
└── RouteNotFoundError      the API has no such route
"""

from typing import NamedTuple

from lending.errors import LendingError


class RequestError(LendingError):
    """The request cannot be read as one of the contract's."""


class MalformedBodyError(RequestError):
    """The request body is missing, too large, or not one unambiguous JSON document in UTF-8."""


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
