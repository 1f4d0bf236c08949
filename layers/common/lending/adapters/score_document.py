"""The cached form of a credit profile: one JSON document that explains itself to whoever reads the key."""

import json
from datetime import date
from decimal import Decimal

from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, ScoreComponents

SCHEMA_VERSION = 4
"""Raise it whenever a field changes its name or meaning: older readers then take the document for a miss."""

MAX_LENGTH = 2048
"""No document of ours comes near; anything longer is somebody else's and not worth parsing."""

TEXTS = ("lent_amount", "room_for_installments", "as_of", "valid_through")
"""The fields that are written as strings."""

MAX_SCORE = 100
MAX_COUNT = 2**63
ZERO, MAX_AMOUNT, MIN_ROOM = Decimal(0), Decimal(10) ** 28, -(Decimal(10) ** 28)
"""Above any sum of any customer's loans."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode


def to_document(profile: CreditProfile, mark: str, following: CreditProfile | None = None) -> str:
    """Return the document of a profile. Amounts are strings: exact for every reader, whatever its parser does.

    Args:
        profile: What the document holds.
        mark: Names the database that the profile was read from.
        following: The same customer's on the day on which the next policy begins, if that is near.
    """
    document = _members(profile, mark)
    if following is not None:
        document["next"] = _members(following, mark)
    return _encode(document)


def is_document(text: bytes, mark: str) -> bool:
    """Return whether a text begins like a document of this schema and database."""
    return text.startswith(f'{{"v":{SCHEMA_VERSION},"db":"{mark}",'.encode())


def _members(profile: CreditProfile, mark: str) -> dict[str, object]:
    document = {"v": SCHEMA_VERSION, "db": mark, **profile._asdict(), "policy": profile.policy.hash}
    document["components"] = {name: str(points) for name, points in profile.components._asdict().items()}
    for name in TEXTS:
        document[name] = str(document[name])
    return document


def from_document(text: bytes, customer_id: int, today: date, policy: Policy, mark: str) -> CreditProfile | None:
    """Return the profile in a document; None unless it is of this schema, database, customer, policy and time."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        written = text.decode()
        document, end = _decode(written)
        if document["policy"] != policy.hash:
            document = document["next"]
            if document["policy"] != policy.hash:
                return None
        if document["v"] != SCHEMA_VERSION or document["db"] != mark or document["customer_id"] != customer_id:
            return None
        components = document["components"]
        profile = CreditProfile(
            customer_id,
            _integer(document["credit_score"], MAX_SCORE),
            ScoreComponents(*[_amount(components[name]) for name in ScoreComponents._fields]),
            _integer(document["loans"], MAX_COUNT),
            _integer(document["emis_paid_on_time"], MAX_COUNT),
            _integer(document["tenure_months"], MAX_COUNT),
            _integer(document["loans_this_year"], MAX_COUNT),
            _amount(document["lent_amount"]),
            _boolean(document["over_limit"]),
            _boolean(document["on_hold"]),
            _amount(document["room_for_installments"], MIN_ROOM),
            date.fromisoformat(document["as_of"]),
            date.fromisoformat(document["valid_through"]),
            policy,
        )
    except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError):
        return None
    # A clock set back would otherwise serve a profile from the future.
    return profile if end == len(written) and profile.as_of <= today <= profile.valid_through else None


def _boolean(value: object) -> bool:
    if type(value) is bool:
        return value
    raise ValueError(value)


def _integer(value: object, most: int) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise ValueError(value)


def _amount(text: object, least: Decimal = ZERO) -> Decimal:
    if type(text) is str and least <= (amount := Decimal(text)) < MAX_AMOUNT:
        return amount
    raise ValueError(text)
