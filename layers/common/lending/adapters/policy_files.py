"""The policies as files of the layer: read once an environment, and refused by name where they make no sense.

`docs/policies.md` shows how to write one.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from lending.domain.policy import Policy, Weights
from lending.domain.pricing import PricingSlab

FOLDER = Path(__file__).parents[1] / "policies"
HASH_DIGITS = 32
MAX_SCORE = 100
MAX_COUNT = 10_000
MAX_PERCENT = Decimal(100)
MAX_AMOUNT = Decimal("9999999999.99")
CENT = Decimal("0.01")


class InvalidPolicyError(Exception):
    """A policy makes no sense; the message names file and field. For whoever writes one, never for a caller."""


class Bounds(NamedTuple):
    """How much of what is approved today a policy may change, in percent of it."""

    most_approvals_lost: Decimal
    most_approvals_gained: Decimal


class PolicyFile(NamedTuple):
    """A policy, and what its author says of it."""

    policy: Policy
    bounds: Bounds | None
    """None: the file is fit to be the first alone, which replaces nothing."""
    name: str


def read_policies(folder: Path) -> list[PolicyFile]:
    """Return the policies in a folder, in the order of their days.

    Raises:
        InvalidPolicyError: One makes no sense, or two begin on one day.
    """
    # Not glob(), which takes as long as all the rest at a cold start.
    return in_order([read_policy(path) for path in folder.iterdir() if path.suffix == ".json"])


def in_order(files: Sequence[PolicyFile]) -> list[PolicyFile]:
    """Return policies in the order of their days, each with its last day."""
    files = sorted(files, key=lambda file: (file.policy.effective_from, file.name))
    if not files:
        raise InvalidPolicyError("there is no policy")
    ordered = []
    for file, following in pairwise(files):
        first, then = file.policy.effective_from, following.policy.effective_from
        if first == then:
            raise InvalidPolicyError(f"{file.name} and {following.name}: effective_from is {first} in both")
        if following.bounds is None:
            raise InvalidPolicyError(f"{following.name}: bounds is missing")
        ordered.append(file._replace(policy=file.policy._replace(last_day=then - timedelta(days=1))))
    return [*ordered, files[-1]]


def read_policy(path: Path) -> PolicyFile:
    """Return the policy in a file, as if none followed.

    Raises:
        InvalidPolicyError: It makes no sense.
    """
    try:
        document = json.loads(
            path.read_text(encoding="utf-8"),
            parse_float=_number,
            parse_constant=_refuse,
            object_pairs_hook=_unique_names,
        )
        return _policy_file(document, path.name)
    except (InvalidPolicyError, OSError, ValueError, RecursionError) as exc:
        raise InvalidPolicyError(f"{path.name}: {exc}") from exc


def _policy_file(document: Any, name: str) -> PolicyFile:
    root = _members(document, "", "effective_from", "score", "slabs", "salary_share", optional="bounds")
    score = _members(root["score"], "score", *Weights._fields)
    punctuality = _members(score["punctuality"], "score.punctuality", "points")
    experience = _members(score["experience"], "score.experience", "points", "full_marks_loans")
    activity = _members(score["activity"], "score.activity", "points", "full_marks_loans_this_year")
    volume = _members(score["volume"], "score.volume", "points", "full_marks_amount")
    parts = {"punctuality": punctuality, "experience": experience, "activity": activity, "volume": volume}
    weights = Weights(*(_integer(part["points"], f"score.{at}.points", 0, MAX_SCORE) for at, part in parts.items()))
    if sum(weights) != MAX_SCORE:
        raise InvalidPolicyError(f"score: the points add up to {sum(weights)}, not to {MAX_SCORE}")
    policy = Policy(
        effective_from=_date(root["effective_from"], "effective_from"),
        last_day=date.max,
        weights=weights,
        full_experience=_integer(experience["full_marks_loans"], "score.experience.full_marks_loans", 1, MAX_COUNT),
        full_activity=_integer(
            activity["full_marks_loans_this_year"], "score.activity.full_marks_loans_this_year", 1, MAX_COUNT
        ),
        full_volume=_decimal(volume["full_marks_amount"], "score.volume.full_marks_amount", CENT, MAX_AMOUNT),
        slabs=_slabs(root["slabs"]),
        salary_share_pct=_decimal(root["salary_share"], "salary_share", Decimal(0), MAX_PERCENT),
        hash="",
    )
    bounds = _bounds(root["bounds"]) if "bounds" in root else None
    # Every number is in its bounds by now: none can be too large to be written out.
    return PolicyFile(policy._replace(hash=_hash(document)), bounds, name)


def _bounds(value: Any) -> Bounds:
    given = _members(value, "bounds", *Bounds._fields)
    # More than all that is approved today may come to it.
    return Bounds(*(_decimal(given[name], f"bounds.{name}", Decimal(0), 100 * MAX_PERCENT) for name in Bounds._fields))


def _slabs(value: Any) -> tuple[PricingSlab, ...]:
    """Return the slabs that lend. Those of the file hold each score once, the lowest of them declines."""
    if not isinstance(value, list) or not value:
        raise InvalidPolicyError("slabs must be a list")
    slabs: list[PricingSlab] = []
    expected, dearest = MAX_SCORE, Decimal(0)
    for number, item in enumerate(value):
        at = f"slabs[{number}]"
        slab = _members(item, at, "from_score", "to_score", "floor_rate")
        highest = _integer(slab["to_score"], f"{at}.to_score", 0, MAX_SCORE)
        lowest = _integer(slab["from_score"], f"{at}.from_score", 0, MAX_SCORE)
        if highest > expected:
            raise InvalidPolicyError(
                f"{at}.to_score: the score {highest} is in a slab above already; the highest come first"
            )
        if highest < expected:
            raise InvalidPolicyError(f"{at}.to_score: the scores {highest + 1} to {expected} are in no slab")
        if lowest > highest:
            raise InvalidPolicyError(f"{at}.from_score must be at most {at}.to_score")
        expected = lowest - 1
        if slab["floor_rate"] is None:
            if lowest > 0 or number != len(value) - 1:
                raise InvalidPolicyError(f"{at}.floor_rate: only the slab of the score 0 may decline")
            return tuple(slabs)
        rate = _decimal(slab["floor_rate"], f"{at}.floor_rate", Decimal(0), MAX_PERCENT)
        if rate < dearest:
            raise InvalidPolicyError(f"{at}.floor_rate: a lower score must not borrow at less than {dearest} %")
        dearest = rate
        slabs.append(PricingSlab(lowest - 1, rate))
    if expected >= 0:
        raise InvalidPolicyError(f"slabs: the scores 0 to {expected} are in no slab")
    # It stands for customers without a history or with too much debt, too.
    raise InvalidPolicyError("slabs: the score 0 must decline: its floor_rate must be null")


def _members(value: Any, at: str, *names: str, optional: str | None = None) -> dict[str, Any]:
    """Return an object that has these members and no others."""
    if not isinstance(value, dict):
        raise InvalidPolicyError(f"{at or 'the file'} must be an object")
    place = f"{at}." if at else ""
    for name in names:
        if name not in value:
            raise InvalidPolicyError(f"{place}{name} is missing")
    for name in value:
        if name not in {*names, optional}:
            raise InvalidPolicyError(f"{place}{name} is unknown")
    return value


def _integer(value: Any, at: str, low: int, high: int) -> int:
    if type(value) is int and low <= value <= high:
        return value
    raise InvalidPolicyError(f"{at} must be an integer from {low} to {high}, not {_shown(value)}")


def _decimal(value: Any, at: str, low: Decimal, high: Decimal) -> Decimal:
    if type(value) not in {int, Decimal} or not low <= value <= high:
        raise InvalidPolicyError(f"{at} must be a number from {low} to {high}, not {_shown(value)}")
    if value != Decimal(value).quantize(CENT):
        raise InvalidPolicyError(f"{at} must have at most 2 decimals, not {_shown(value)}")
    # As the hash has it: policies of one hash decide alike to the last character.
    return Decimal(str(_canonical_number(Decimal(value))))


def _date(value: Any, at: str) -> date:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or str(day) != value:
        raise InvalidPolicyError(f"{at} must be a date like 2027-01-01, not {_shown(value)}")
    return day


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidPolicyError(f"{text} is no number") from None


def _refuse(name: str) -> NoReturn:
    raise InvalidPolicyError(f"{name} is no number")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name in members if [each for each, _ in pairs].count(name) > 1)
        raise InvalidPolicyError(f"{twice} is there twice")
    return members


def _hash(document: Any) -> str:
    """Return the hash of a file's canonical form: names in order, no spaces, numbers without needless digits."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), default=_canonical_number)
    return sha256(canonical.encode()).hexdigest()[:HASH_DIGITS]


def _canonical_number(value: Decimal) -> int | str:
    return int(value) if value == value.to_integral_value() else f"{value.normalize():f}"
