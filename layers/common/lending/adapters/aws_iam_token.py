"""ElastiCache logins by IAM: a signed request that serves as the password, instead of a secret."""

from typing_extensions import override

from lending.adapters.logins import Login, LoginSource, LoginUnavailableError

TOKEN_SECONDS = 900
"""ElastiCache's own limit; a token is used once, to connect."""


class ElastiCacheIamLogin(LoginSource):
    """The login of an IAM-enabled ElastiCache user, signed anew for each connection.

    Args:
        user_id: The user's id, which is also their name, in lower case.
        cache_name: The replication group's or serverless cache's id, in lower case.
        serverless: Whether it is a serverless cache, whose token says so.
    Source: Amazon ElastiCache user guide, "Authenticating with IAM".
    """

    def __init__(self, user_id: str, cache_name: str, *, serverless: bool) -> None:
        self._user_id = user_id
        self._cache_name = cache_name
        self._kind = "&ResourceType=ServerlessCache" if serverless else ""

    @override
    def current(self) -> Login:
        return self.renewed()

    @override
    def renewed(self) -> Login:
        import botocore.session
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest

        session = botocore.session.get_session()
        url = f"http://{self._cache_name}/?Action=connect&User={self._user_id}{self._kind}"
        request = AWSRequest(method="GET", url=url)
        credentials = session.get_credentials()
        if credentials is None:
            raise LoginUnavailableError("There are no AWS credentials to sign a cache login with.")
        SigV4QueryAuth(credentials, "elasticache", session.get_config_variable("region"), TOKEN_SECONDS).add_auth(
            request
        )
        return Login(self._user_id, str(request.url).removeprefix("http://"))
