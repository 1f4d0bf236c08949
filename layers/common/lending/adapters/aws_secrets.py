"""Logins from Secrets Manager; boto3 is imported only when one must be fetched (+130 ms on a cold start)."""

import json
import math
import time

from lending.adapters.logins import GivenLogin, Login, LoginSource
from lending.config import Settings
from lending.errors import StoreUnavailableError

REFETCH_SECONDS = 1.0
"""After a try, failed or not: what is wrong now will not be right for the next command of the same request."""


class SecretsManagerLogin:
    """The login in one secret, in RDS's own JSON (`username`, `password`), fetched on first use and kept."""

    def __init__(self, secret_id: str) -> None:
        """Take the secret's name or ARN."""
        self._secret_id = secret_id
        self._login: Login | None = None
        self._tried_at = -math.inf

    def current(self) -> Login:
        """See LoginSource; raises as renewed() does."""
        return self._login or self.renewed()

    def renewed(self) -> Login:
        """See LoginSource.

        Raises:
            StoreUnavailableError: Secrets Manager is away, or refuses, or holds something else under this id.
        """
        if time.monotonic() - self._tried_at > REFETCH_SECONDS:
            try:
                self._login = self._fetch()
            finally:
                self._tried_at = time.monotonic()
        if self._login is None:
            raise StoreUnavailableError("The login for the store could not be fetched a moment ago.")
        return self._login

    def _fetch(self) -> Login:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
        try:
            secret = boto3.client("secretsmanager", config=config).get_secret_value(SecretId=self._secret_id)
            document = json.loads(secret["SecretString"])
            return Login(user=_text(document["username"]), password=_text(document["password"]))
        except (BotoCoreError, ClientError, KeyError, ValueError, TypeError) as exc:
            raise StoreUnavailableError("The login for the store could not be fetched.") from exc


def database_login(settings: Settings) -> LoginSource:
    """Return where the database's user and password come from: a secret, or for local use the settings."""
    if settings.db_secret_id is not None:
        return SecretsManagerLogin(settings.db_secret_id)
    return GivenLogin(settings.db_user, settings.db_password)


def _text(value: object) -> str:
    """Return what must be text; an empty user would log in as the operating system's."""
    if isinstance(value, str) and value:
        return value
    raise ValueError("not a text")
