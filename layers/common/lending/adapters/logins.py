"""Who enters a store, and with what."""

from typing import NamedTuple, Protocol

from typing_extensions import override

from lending.config import Settings
from lending.patience import Patience


class LoginUnavailableError(Exception):
    """There is no login to be had just now; each adapter says it in its own terms."""


class Login(NamedTuple):
    """A user and their password; keeps the password out of its repr."""

    user: str
    password: str

    @override
    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


class LoginSource(Protocol):
    """Where a login comes from. Both methods may raise LoginUnavailableError."""

    def current(self) -> Login:
        """Return the login as far as it is known."""

    def renewed(self) -> Login:
        """Return the login as it is now; for one that was refused."""


class GivenLogin(LoginSource):
    """A login given in the settings, for local use; there is none newer."""

    def __init__(self, user: str, password: str) -> None:
        self._login = Login(user, password)

    @override
    def current(self) -> Login:
        return self._login

    @override
    def renewed(self) -> Login:
        return self._login


def database_login(settings: Settings, patience: Patience) -> LoginSource:
    """Return where the database's user and password come from: IAM, a secret, or for local use the settings."""
    if settings.db_iam_user is not None:
        from lending.adapters.aws_iam import database_iam_login

        return database_iam_login(settings.db_iam_user, settings, patience)
    if settings.db_secret_id is None:
        return GivenLogin(settings.db_user, settings.db_password)
    from lending.adapters.aws_secrets import SecretsManagerLogin

    return SecretsManagerLogin(
        settings.db_secret_id,
        wait_seconds=patience.database_login,
        retry_seconds=patience.login_refetch,
        refetch_seconds=patience.login_refetch,
    )
