"""Logins from Secrets Manager; boto3 is imported only when one must be fetched (+130 ms on a cold start)."""

import json
from dataclasses import dataclass, field
from typing import Protocol

from lending.errors import StoreUnavailableError


@dataclass(frozen=True, slots=True)
class Login:
    """Who enters a store, and with what."""

    user: str
    password: str = field(repr=False)


class LoginSource(Protocol):
    """Where a login comes from."""

    def current(self) -> Login:
        """Return the login as far as it is known."""

    def renewed(self) -> Login:
        """Return the login as it is now; for one that was refused."""


class SecretsManagerLogin:
    """The login in one secret, in RDS's own JSON (`username`, `password`), fetched on first use and kept."""

    def __init__(self, secret_id: str) -> None:
        """Take the secret's name or ARN."""
        self._secret_id = secret_id
        self._login: Login | None = None

    def current(self) -> Login:
        """See LoginSource; raises as renewed() does."""
        return self._login or self.renewed()

    def renewed(self) -> Login:
        """See LoginSource.

        Raises:
            StoreUnavailableError: Secrets Manager is away, or refuses, or holds something else under this id.
        """
        self._login = self._fetch()
        return self._login

    def _fetch(self) -> Login:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
        try:
            secret = boto3.client("secretsmanager", config=config).get_secret_value(SecretId=self._secret_id)
            document = json.loads(secret["SecretString"])
            return Login(user=document["username"], password=document["password"])
        except (BotoCoreError, ClientError, KeyError, ValueError) as exc:
            raise StoreUnavailableError("The login for the store could not be fetched.") from exc


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
