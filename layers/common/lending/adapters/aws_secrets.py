"""Logins from Secrets Manager; boto3 is imported only when one must be fetched (+130 ms on a cold start)."""

import json

from typing_extensions import override

from lending import clock
from lending.adapters.aside import Aside
from lending.adapters.logins import Login, LoginSource, LoginUnavailableError
from lending.patience import Patience


class SecretsManagerLogin(LoginSource):
    """The login in one secret, in RDS's own JSON (`username`, `password`), fetched on first use and kept.

    Args:
        secret_id: The secret's name or ARN.
        wait_seconds: How long a fetch may keep a request waiting; it goes on aside.
        retry_seconds: How long to leave it after a fetch that failed.
        refetch_seconds: How long to leave it after one that did not.
    """

    def __init__(self, secret_id: str, *, wait_seconds: float, retry_seconds: float, refetch_seconds: float) -> None:
        self._secret_id = secret_id
        self._wait_seconds = wait_seconds
        self._retry_seconds = retry_seconds
        self._refetch_seconds = refetch_seconds
        self._fetching = Aside(self._fetch)
        self._login: Login | None = None
        self._tried_at = clock.LONG_AGO
        self._next_try_after = 0.0

    @override
    def current(self) -> Login:
        return self._login or self.renewed()

    @override
    def renewed(self) -> Login:
        due = clock.seconds_since(self._tried_at) > self._next_try_after
        if due or self._fetching.under_way:
            self._fetch_aside(self._wait_seconds if due else 0)
        if self._login is None:
            raise LoginUnavailableError("The login could not be fetched a moment ago.")
        return self._login

    def _fetch_aside(self, seconds: float) -> None:
        self._tried_at = clock.now()
        self._next_try_after = self._retry_seconds
        try:
            self._login = self._fetching.result(seconds)
        except TimeoutError as exc:
            raise LoginUnavailableError("The login could not be fetched in time.") from exc
        self._next_try_after = self._refetch_seconds

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


def cache_login(secret_id: str, patience: Patience) -> LoginSource:
    """Return the cache's login from a secret: a request waits a second for it, and once a minute."""
    return SecretsManagerLogin(
        secret_id,
        wait_seconds=patience.cache_login,
        retry_seconds=patience.cache_login_retry,
        refetch_seconds=patience.login_refetch,
    )


def _text(value: object) -> str:
    """Return what must be text; an empty user would log in as the operating system's."""
    if isinstance(value, str) and value:
        return value
    raise ValueError("not a text")
