"""Who is calling, and what their token lets them do."""

from typing import Any

import pytest

from lending.caller import admitted
from lending.request_errors import ScopeMissingError, UnknownCallerError


def called_with(authorizer: dict[str, Any]) -> dict[str, Any]:
    return {"requestContext": {"authorizer": authorizer}}


@pytest.mark.parametrize(
    ("authorizer", "message"),
    [
        ({"lambda": {"user": "clerk-7"}}, "This API cannot tell who is calling."),
        (
            {"jwt": {"claims": {"iss": "https://login.example"}}},
            "The token names neither its subject (sub) nor its client (client_id, azp).",
        ),
    ],
)
def test_a_caller_who_cannot_be_told_apart_is_refused_with_the_reason(authorizer: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownCallerError) as refusal:
        admitted(called_with(authorizer))

    assert str(refusal.value) == message


@pytest.mark.parametrize("claim", ["scope", "scp"])
@pytest.mark.parametrize("granted", ["loans:write", "loans:read loans:write", "[loans:read loans:write]"])
def test_a_scope_is_granted_by_either_claim(claim: str, granted: str) -> None:
    admitted(called_with({"jwt": {"claims": {"sub": "clerk-7", claim: granted}}}), "loans:write")


@pytest.mark.parametrize("claims", [{}, {"scope": "loans:read"}, {"scope": "loans:writer"}, {"scp": ""}])
@pytest.mark.parametrize("scope", ["loans:write", "None"])
def test_a_scope_that_no_claim_names_is_missing(claims: dict[str, str], scope: str) -> None:
    with pytest.raises(ScopeMissingError):
        admitted(called_with({"jwt": {"claims": {"sub": "clerk-7"} | claims}}), scope)
