"""ElastiCache logins by IAM: a signed request that serves as the password, instead of a secret."""

from lending.adapters.logins import Login
from lending.errors import StoreUnavailableError

TOKEN_SECONDS = 900
"""ElastiCache's own limit; a token is used once, to connect."""


class ElastiCacheIamLogin:
    """The login of an IAM-enabled ElastiCache user.

    Source: Amazon ElastiCache user guide, "Authenticating with IAM".
    """

    def __init__(self, user_id: str, cache_name: str) -> None:
        """Take the user's id, which is also their name, and the replication group's id, both in lower case."""
        self._user_id = user_id
        self._cache_name = cache_name

    def current(self) -> Login:
        """See LoginSource; signed anew for each connection."""
        return self.renewed()

    def renewed(self) -> Login:
        """See LoginSource.

        Raises:
            StoreUnavailableError: This environment has no AWS credentials.
        """
        import botocore.session
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest

        session = botocore.session.get_session()
        url = f"http://{self._cache_name}/?Action=connect&User={self._user_id}"
        request = AWSRequest(method="GET", url=url)
        credentials = session.get_credentials()
        if credentials is None:
            raise StoreUnavailableError("There are no AWS credentials to sign a cache login with.")
        SigV4QueryAuth(credentials, "elasticache", session.get_config_variable("region"), TOKEN_SECONDS).add_auth(
            request
        )
        return Login(self._user_id, str(request.url).removeprefix("http://"))
