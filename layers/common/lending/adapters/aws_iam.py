"""Logins by IAM: a signed request serves as the password, so that there is no secret to fetch, keep or rotate.

Sources: Amazon ElastiCache user guide, "Authenticating with IAM"; Amazon RDS user guide, "IAM database authentication".
"""

import time
from collections.abc import Mapping

from typing_extensions import override

from lending import clock
from lending.adapters.aws_credentials import current_credentials
from lending.adapters.aws_signature import signed
from lending.adapters.logins import Login, LoginSource
from lending.config import Settings
from lending.patience import Patience

KEPT_SECONDS = 600
"""How long a token is used again: the two connections of one environment share it. It is accepted for 900."""


class IamLogin(LoginSource):
    """The login of an account that has a token of ours for its password.

    Args:
        user: The account.
        service: The AWS service that checks the token.
        host: What the token is for.
        query: What it asks for.
        wait_seconds: For the credentials, where an endpoint has them.
    """

    def __init__(self, user: str, service: str, host: str, query: Mapping[str, str], *, wait_seconds: float) -> None:
        self._user = user
        self._service = service
        self._host = host.lower()
        self._query = query
        self._wait_seconds = wait_seconds
        self._token = ""
        self._signed_at = clock.LONG_AGO

    @override
    def current(self) -> Login:
        return self.renewed() if clock.seconds_since(self._signed_at) > KEPT_SECONDS else self._login()

    @override
    def renewed(self) -> Login:
        credentials = current_credentials(self._wait_seconds)
        self._token = signed(self._service, self._host, self._query, credentials, time.time())
        self._signed_at = clock.now()
        return self._login()

    def _login(self) -> Login:
        return Login(self._user, self._token)


def cache_iam_login(user: str, settings: Settings, patience: Patience) -> IamLogin:
    """Return the login of an IAM-enabled ElastiCache user; their id is their name."""
    query = {"Action": "connect", "User": user}
    if settings.redis_iam_serverless:
        query["ResourceType"] = "ServerlessCache"
    return IamLogin(user, "elasticache", settings.redis_iam_cache, query, wait_seconds=patience.cache_login)


def database_iam_login(user: str, settings: Settings, patience: Patience) -> IamLogin:
    """Return the login of an account of RDS's plugin; the token is for the host and port that it is used at."""
    place = f"{settings.db_host}:{settings.db_port}"
    query = {"Action": "connect", "DBUser": user}
    return IamLogin(user, "rds-db", place, query, wait_seconds=patience.database_login)
