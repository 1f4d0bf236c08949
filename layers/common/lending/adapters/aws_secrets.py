"""Logins from Secrets Manager; boto3 is imported only when one must be fetched (+130 ms on a cold start)."""

import json

from lending.adapters.logins import Login
from lending.errors import StoreUnavailableError


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
        except (BotoCoreError, ClientError, KeyError, ValueError, TypeError) as exc:
            raise StoreUnavailableError("The login for the store could not be fetched.") from exc
