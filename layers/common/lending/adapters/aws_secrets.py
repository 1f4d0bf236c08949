"""Logins from Secrets Manager; boto3 is imported only when one must be fetched (+130 ms on a cold start)."""

import json
import math
import time

from typing_extensions import override

from lending.adapters.logins import GivenLogin, Login, LoginSource, LoginUnavailableError
from lending.config import Settings
from lending.patience import Patience


class SecretsManagerLogin(LoginSource):
    """The login in one secret, in RDS's own JSON (`username`, `password`), fetched on first use and kept."""

    def __init__(self, secret_id: str, patience: Patience) -> None:
        self._secret_id = secret_id
        self._patience = patience
        self._login: Login | None = None
        self._tried_at = -math.inf

    @override
    def current(self) -> Login:
        return self._login or self.renewed()

    @override
    def renewed(self) -> Login:
        if time.monotonic() - self._tried_at > self._patience.login_refetch:
            try:
                self._login = self._fetch()
            finally:
                self._tried_at = time.monotonic()
        if self._login is None:
            raise LoginUnavailableError("The login could not be fetched a moment ago.")
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
            raise LoginUnavailableError(f"The login could not be fetched: {type(exc).__name__}.") from exc


def database_login(settings: Settings, patience: Patience) -> LoginSource:
    """Return where the database's user and password come from: a secret, or for local use the settings."""
    if settings.db_secret_id is not None:
        return SecretsManagerLogin(settings.db_secret_id, patience)
    return GivenLogin(settings.db_user, settings.db_password)


def _text(value: object) -> str:
    """Return what must be text; an empty user would log in as the operating system's."""
    if isinstance(value, str) and value:
        return value
    raise ValueError("not a text")
