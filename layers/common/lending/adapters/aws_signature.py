"""Signature Version 4 in a request's query: for 15 minutes, such a request is the password of a login by IAM.

botocore has it, too, but takes 145 ms of a cold start to import. A test holds the two together.
Source: AWS Identity and Access Management user guide, "AWS Signature Version 4 for API requests".
"""

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

from typing_extensions import override

TOKEN_SECONDS = 900
"""The longest that ElastiCache and RDS accept."""
UNRESERVED = "-._~"
NO_BODY = sha256(b"").hexdigest()


class Credentials(NamedTuple):
    """Who signs, and for which region; keeps the secrets out of its repr."""

    key_id: str
    secret_key: str
    session_token: str
    """Empty for an IAM user's own keys."""
    region: str

    @override
    def __repr__(self) -> str:
        return f"Credentials(key_id={self.key_id!r}, region={self.region!r})"


def signed(service: str, host: str, query: Mapping[str, str], credentials: Credentials, at: float) -> str:
    """Return a GET of a host's root, without its scheme, signed at a time.

    Args:
        service: As AWS calls it in signatures.
        host: In lower case, with the port if that is signed.
        query: What is asked for.
        credentials: Who asks.
        at: In seconds since 1970.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{moment[:8]}/{credentials.region}/{service}/aws4_request"
    query = {
        **query,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(TOKEN_SECONDS),
        "X-Amz-SignedHeaders": "host",
        **({"X-Amz-Security-Token": credentials.session_token} if credentials.session_token else {}),
    }
    pairs = [(quote(name, UNRESERVED), quote(value, UNRESERVED)) for name, value in query.items()]
    request = "\n".join(["GET", "/", _joined(sorted(pairs)), f"host:{host}", "", "host", NO_BODY])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{host}/?{_joined(pairs)}&X-Amz-Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)
