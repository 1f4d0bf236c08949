"""Who is calling, as far as the gateway has found out, and what their token lets them do."""

from collections.abc import Mapping
from typing import Any

from lending.request_errors import ScopeMissingError, UnknownCallerError

Event = Mapping[str, Any]


def principal_of(event: Event) -> str:
    """Return who is calling: the same for all sessions of one caller, and no other caller's; "" where nobody is asked.

    Raises:
        UnknownCallerError: The gateway let somebody in who cannot be told apart from others.
    """
    authorizer = _authorizer(event)
    if "jwt" in authorizer:
        return _bearer(authorizer["jwt"]["claims"])
    if "iam" in authorizer:
        return _signer(authorizer["iam"])
    if authorizer:
        raise UnknownCallerError("This API cannot tell who is calling.")
    return ""


def earlier_principal_of(event: Event) -> str:
    """Return what principal_of() said until it told apart those who share a role, an account, or a token without `sub`.

    Keys that came in those days are stored under it.
    """
    authorizer = _authorizer(event)
    if "jwt" in authorizer:
        claims = authorizer["jwt"]["claims"]
        return f"jwt {claims.get('iss')} {claims.get('sub')}"
    if "iam" in authorizer:
        return f"iam {authorizer['iam']['userId'].partition(':')[0]}"
    return ""


def require_scope(event: Event, scope: str) -> None:
    """Refuse a caller whose token lacks a scope.

    Raises:
        ScopeMissingError: It lacks it, or there is no token.
    """
    claims = _authorizer(event).get("jwt", {}).get("claims", {})
    # `scope` is the standard's, `scp` what some issuers write; the gateway passes a list as "[a b]".
    granted = f"{claims.get('scope', '')} {claims.get('scp', '')}".translate(LIST_MARKS).split()
    if scope not in granted:
        raise ScopeMissingError(scope)


LIST_MARKS = str.maketrans("[],", "   ")


def _authorizer(event: Event) -> Mapping[str, Any]:
    return event.get("requestContext", {}).get("authorizer") or {}


def _bearer(claims: Mapping[str, Any]) -> str:
    if claims.get("sub"):
        return f"jwt {claims.get('iss')} {claims['sub']}"
    client = claims.get("client_id") or claims.get("azp")
    if not client:
        raise UnknownCallerError("The token names neither its subject (sub) nor its client (client_id, azp).")
    # A word of its own: no client can name itself as somebody's subject.
    return f"jwt-client {claims.get('iss')} {client}"


def _signer(iam: Mapping[str, Any]) -> str:
    identity = (iam.get("cognitoIdentity") or {}).get("identityId")
    if identity:
        return f"cognito {identity}"  # all identities of a pool sign as one role
    user, _, session = iam["userId"].partition(":")
    if session and user.isdigit():
        return f"iam {user}:{session}"  # a federated user: an account's number, and the name that tells them apart
    # An assumed role's id carries the session's name after a colon: a retry may come from another session.
    return f"iam {user}"
