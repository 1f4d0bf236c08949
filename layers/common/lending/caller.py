"""Who is calling, as far as the gateway has found out, and what their token lets them do."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lending.request_errors import RouteNotFoundError, ScopeMissingError, UnknownCallerError

Event = Mapping[str, Any]

LIST_MARKS = str.maketrans("[],", "   ")


class Caller(NamedTuple):
    """Who is calling."""

    principal: str
    """The same for all sessions of one caller, and no other caller's; "" where nobody is asked."""
    earlier_principal: str
    """What `principal` was until it told apart those who share a role, an account, or a token without `sub`. Keys that
    came in those days are stored under it."""


def admitted(event: Event, required_scope: str | None = None) -> Caller:
    """Return who is calling, where they may.

    Args:
        event: The event.
        required_scope: The scope that the caller's token must have, if any.
    Raises:
        RouteNotFoundError: The event came by the default route: the API has no operation for it.
        UnknownCallerError: The gateway let somebody in who cannot be told apart from others.
        ScopeMissingError: The caller's token lacks the scope, or there is no token.
    """
    if event.get("routeKey") == "$default":
        http = event["requestContext"]["http"]
        raise RouteNotFoundError(f"There is no {http['method']} {http['path']}.")
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    caller = Caller(_principal(authorizer), _earlier_principal(authorizer))
    if required_scope is not None:
        _require_scope(authorizer, required_scope)
    return caller


def _principal(authorizer: Mapping[str, Any]) -> str:
    if "jwt" in authorizer:
        return _bearer(authorizer["jwt"]["claims"])
    if "iam" in authorizer:
        return _signer(authorizer["iam"])
    if authorizer:
        raise UnknownCallerError("This API cannot tell who is calling.")
    return ""


def _earlier_principal(authorizer: Mapping[str, Any]) -> str:
    if "jwt" in authorizer:
        claims = authorizer["jwt"]["claims"]
        return f"jwt {claims.get('iss')} {claims.get('sub')}"
    if "iam" in authorizer:
        return f"iam {authorizer['iam']['userId'].partition(':')[0]}"
    return ""


def _require_scope(authorizer: Mapping[str, Any], scope: str) -> None:
    claims = authorizer.get("jwt", {}).get("claims", {})
    # `scope` is the standard's, `scp` what some issuers write; the gateway passes a list as "[a b]".
    granted = f"{claims.get('scope', '')} {claims.get('scp', '')}".translate(LIST_MARKS).split()
    if scope not in granted:
        raise ScopeMissingError(scope)


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
