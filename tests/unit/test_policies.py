"""Policies as files: what is read, what is refused and by which name, and what their hash is of."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lending.adapters.policy_files import FOLDER, InvalidPolicyError, read_policies, read_policy
from lending.domain.policy import in_force
from lending.domain.pricing import PricingSlab
from testkit.fakes import POLICY
from testkit.policies import BOUNDS, FIRST, document, score, with_next, write_policy

DAY = date(2024, 7, 1)


def slabs(*edges: tuple[int, int, float | None]) -> list[dict[str, Any]]:
    return [{"from_score": low, "to_score": high, "floor_rate": rate} for low, high, rate in edges]


def test_the_first_policy_is_what_the_readme_says() -> None:
    assert tuple(POLICY.weights) == (35, 20, 20, 25)
    assert (POLICY.full_experience, POLICY.full_activity, POLICY.full_volume) == (10, 3, Decimal(1_000_000))
    assert POLICY.slabs == tuple(PricingSlab(above, Decimal(rate)) for above, rate in [(50, 0), (30, 12), (10, 16)])
    assert POLICY.salary_share_pct == 50


def test_the_first_policy_is_never_edited() -> None:
    """Entries, records and databases name it; other rules are another file."""
    assert POLICY.hash == "a056af6e13e3ee664cabdb6a18cac076"


def test_the_hash_is_of_what_a_file_says_and_not_of_how_it_is_written(tmp_path: Path) -> None:
    text = (FOLDER / "2000-01-01.json").read_text(encoding="utf-8")
    backwards = json.dumps(dict(reversed(json.loads(text).items())), indent=7)
    same = [text, backwards, text.replace(": 50\n", ": 5.0e1\n"), text.replace("1000000}", "1000000.00}")]
    others = [text.replace(": 12}", ": 12.01}"), text.replace("2000-01-01", "2000-01-02")]

    # Also decimal by decimal, since records show how they are written.
    assert {repr(read_policy(write_policy(tmp_path, each)).policy) for each in same} == {repr(POLICY)}
    assert len({read_policy(write_policy(tmp_path, each)).policy.hash for each in (text, *others)}) == 3


def test_a_policy_holds_until_the_day_before_the_next(tmp_path: Path) -> None:
    first, then = with_next(write_policy(tmp_path, document(0, 13, 17.5, begins=DAY)))

    assert (first.hash, first.last_day) == (POLICY.hash, date(2024, 6, 30))
    assert [slab.floor_rate_pct for slab in then.slabs] == [0, 13, Decimal("17.5")]
    assert [in_force((first, then), DAY + timedelta(days)) for days in (-8000, -1, 0, 9000)] == [
        *(first, first),
        *(then, then),
    ]
    with pytest.raises(LookupError, match="no policy is in force on 1999-12-31"):
        in_force((first, then), date(1999, 12, 31))


BAD = {
    "slabs[1].to_score: the scores 41 to 50 are in no slab": document(
        slabs=slabs((51, 100, 0), (31, 40, 12), (0, 30, None))
    ),
    "slabs[1].to_score: the score 55 is in a slab above already": document(
        slabs=slabs((51, 100, 0), (31, 55, 12), (0, 30, None))
    ),
    "slabs: the scores 0 to 30 are in no slab": document(slabs=slabs((51, 100, 0), (31, 50, 12))),
    "slabs[0].to_score: the scores 100 to 100 are in no slab": document(slabs=slabs((0, 99, None))),
    "slabs: the score 0 must decline": document(slabs=slabs((0, 100, 0))),
    "slabs[0].floor_rate: only the slab of the score 0 may decline": document(
        slabs=slabs((51, 100, None), (0, 50, 12))
    ),
    "slabs[1].from_score must be at most slabs[1].to_score": document(slabs=slabs((51, 100, 0), (60, 50, 12))),
    "slabs[2].floor_rate: a lower score must not borrow at less than 12 %": document(0, 12, 11.5),
    "slabs[1].floor_rate must have at most 2 decimals, not 12.000000000000002": document(0, 12.000000000000002),
    "slabs[1].floor_rate must be a number from 0 to 100, not 100.01": document(0, 100.01),
    "slabs must be a list": document(slabs={}),
    "NaN is no number": document(0, float("nan")),
    "score: the points add up to 101, not to 100": document(score=score(punctuality={"points": 36})),
    "score.volume.points must be an integer from 0 to 100, not 25.0": document(score=score(volume={"points": 25.0})),
    "score.activity.full_marks_loans_this_year must be an integer from 1": document(
        score=score(activity={"full_marks_loans_this_year": 0})
    ),
    "score.volume.full_marks_amount must be a number from 0.01": document(score=score(volume={"full_marks_amount": 0})),
    "score.experience.bonus is unknown": document(score=score(experience={"bonus": 1})),
    "score must be an object": document(score=[]),
    "salary_share must be a number from 0 to 100, not '50'": document(salary_share="50"),
    "salary_share must be a number from 0 to 100, not True": document(salary_share=True),
    "effective_from must be a date like 2027-01-01, not '20270101'": document(begins="20270101"),
    "bounds.most_approvals_lost is missing": document(bounds={"most_approvals_gained": 1}),
    "bounds.most_approvals_gained must be a number from 0": document(bounds=BOUNDS | {"most_approvals_gained": -1}),
    "salary_share is there twice": json.dumps(document()).replace('"bounds"', '"salary_share": 1, "bounds"'),
    "salary_share must be a number from 0 to 100, not 1E+999999": json.dumps(document()).replace(
        '"salary_share": 50', '"salary_share": 1e999999'
    ),
    "the file must be an object": "[]",
    "slabs[0]. is unknown": json.dumps(document()).replace('"from_score"', '"": 1, "from_score"', 1),
    "1e99999999999999999999 is no number": json.dumps(document()).replace(
        '"salary_share": 50', '"salary_share": 1e99999999999999999999'
    ),
    "Expecting value": "",
}


@pytest.mark.parametrize(("reason", "content"), BAD.items(), ids=BAD)
def test_a_bad_policy_is_refused_by_file_and_field(tmp_path: Path, reason: str, content: Any) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        read_policy(write_policy(tmp_path, content))

    assert str(refused.value).startswith(f"next.json: {reason}")


def test_bad_policies_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicyError, match="there is no policy"):
        read_policies(tmp_path)
    for name in "ab":
        write_policy(tmp_path, document(), f"{name}.json")
    with pytest.raises(InvalidPolicyError, match=r"a.json and b.json: effective_from is 2024-07-01 in both"):
        read_policies(tmp_path)
    write_policy(tmp_path, FIRST | {"effective_from": "2030-01-01"}, "b.json")
    with pytest.raises(InvalidPolicyError, match=r"b.json: bounds is missing"):
        read_policies(tmp_path)
