"""Who enters a store, and with what."""

from typing import NamedTuple, Protocol


class Login(NamedTuple):
    """A user and their password; keeps the password out of its repr."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


class LoginSource(Protocol):
    """Where a login comes from."""

    def current(self) -> Login:
        """Return the login as far as it is known."""

    def renewed(self) -> Login:
        """Return the login as it is now; for one that was refused."""


class GivenLogin:
    """A login given in the settings, for local use."""

    def __init__(self, user: str, password: str) -> None:
        """Take the login."""
        self._login = Login(user, password)

    def current(self) -> Login:
        """See LoginSource."""
        return self._login

    def renewed(self) -> Login:
        """See LoginSource; there is none newer."""
        return self._login
