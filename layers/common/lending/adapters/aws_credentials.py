"""The AWS credentials of this process, without botocore where it runs in Lambda."""

import json
import os

from lending.adapters.aws_signature import Credentials
from lending.adapters.logins import LoginUnavailableError

ENDPOINT, AUTHORIZATION = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"


def current_credentials(wait_seconds: float) -> Credentials:
    """Return the credentials as they are now.

    Lambda gives them in variables; with SnapStart, whose snapshot outlives them, at an endpoint within the environment.
    On other machines botocore knows the ways.

    Args:
        wait_seconds: For the endpoint's answer.
    Raises:
        LoginUnavailableError: There are none, or there is no region.
    """
    environ = os.environ
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
    key_id, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if key_id and secret_key:
        found = Credentials(key_id, secret_key, environ.get("AWS_SESSION_TOKEN", ""), region)
    elif environ.get(ENDPOINT, "").startswith("http://") and environ.get(AUTHORIZATION):
        found = _from_endpoint(environ[ENDPOINT], environ[AUTHORIZATION], region, wait_seconds)
    else:
        found = _from_botocore(region)
    if not found.region:
        raise LoginUnavailableError("AWS_REGION is not set: nothing can be signed.")
    return found


def _from_endpoint(url: str, authorization: str, region: str, wait_seconds: float) -> Credentials:
    """Return what the endpoint says. Source: AWS SDKs and Tools reference guide, "Container credential provider"."""
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=wait_seconds)
    try:
        connection.request("GET", f"{place.path}?{place.query}", headers={"Authorization": authorization})
        document = json.loads(connection.getresponse().read())
        return Credentials(document["AccessKeyId"], document["SecretAccessKey"], document["Token"], region)
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as exc:
        raise LoginUnavailableError(f"The AWS credentials could not be fetched: {type(exc).__name__}.") from exc
    finally:
        connection.close()


def _from_botocore(region: str) -> Credentials:
    import botocore.session
    from botocore.exceptions import BotoCoreError

    session = botocore.session.get_session()
    try:
        credentials = session.get_credentials()
        region = region or session.get_config_variable("region") or ""
    except BotoCoreError as exc:
        raise LoginUnavailableError(f"The AWS credentials could not be found: {type(exc).__name__}.") from exc
    frozen = credentials and credentials.get_frozen_credentials()
    if not (frozen and frozen.access_key and frozen.secret_key):
        raise LoginUnavailableError("There are no AWS credentials to sign a login with.")
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "", region)
