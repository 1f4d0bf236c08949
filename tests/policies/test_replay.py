"""Past decisions computed again: equal to the byte, or shown."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from lending import wiring
from policies.replay import OF_THE_REQUEST, differences, main

KEPT = sorted(Path(__file__).parent.glob("records-*.jsonl"))
"""Records of releases: each later one must come to the same."""


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


RECORDS = [json.loads(line) for line in lines(KEPT[-1]) if '"figures":null' not in line]
COMPUTED = (
    *("approved", "reason_codes", "credit_score", "score_components", "corrected_interest_rate"),
    *("monthly_installment", "highest_loan_amount", "shortest_tenure"),
)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_a_release_decided_is_what_this_one_decides(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([str(path)])

    assert status == 0, capsys.readouterr().out


def test_the_kept_records_are_of_all_kinds() -> None:
    reasons = {reason for record in RECORDS for reason in record["reason_codes"]}

    assert {record["approved"] for record in RECORDS} == {True, False}
    assert len(reasons) == 6
    assert {record["service"] for record in RECORDS} == {"check-eligibility", "create-loan"}
    assert any('"figures":null' in line for line in lines(KEPT[-1])), "a repetition"


def test_repetitions_and_errors_are_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decided = RECORDS[0]
    repeated = decided | {"figures": None, "policy": None, "first_request_id": decided["request_id"]}
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (decided, repeated, {"request_id": "x", "status": 422})))

    assert main([str(file)]) == 0
    assert capsys.readouterr().out.startswith("1 decisions are what their figures come to, 0 are not; 2 lines")


LENT = next(record for record in RECORDS if record["service"] == "create-loan" and record["approved"])
DECLINED = next(record for record in RECORDS if not record["approved"])


@pytest.mark.parametrize(
    ("forged", "shown"),
    [
        ({"figures": None}, "cannot be decided"),
        ({"first_request_id": "r1"}, 'first_request_id: "r1", recomputed null'),
        ({"figures": None, "first_request_id": "r1"}, "cannot be decided"),
        ({"policy": None, "first_request_id": "r1"}, "policy: None"),
        ({"figures": None, "policy": None}, "policy: None"),
        ({"figures": None, "policy": None, "first_request_id": ""}, "policy: None"),
        ({"figures": None, "policy": None, "first_request_id": "r1", "service": "check-eligibility"}, "policy: None"),
        ({"status": 500}, "approved: true"),
        ({"status": 422, "figures": None}, "cannot be decided"),
    ],
)
def test_a_forged_decision_does_not_pass_for_a_repetition_or_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], forged: dict[str, Any], shown: str
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (LENT, DECLINED | {"approved": True} | forged)))

    assert main([str(file)]) == 1
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("name", [*RECORDS[0]["figures"], *sorted(DECLINED.keys() - OF_THE_REQUEST)])
@pytest.mark.parametrize("kept", [False, True], ids=["without it", "under another name"])
def test_a_member_that_is_missing_or_renamed_is_shown(tmp_path: Path, name: str, *, kept: bool) -> None:
    record: dict[str, Any] = json.loads(json.dumps(DECLINED))
    holder = record if name in record else record["figures"]
    value = holder.pop(name)
    if kept:
        holder[f"{name}z"] = value
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(map(json.dumps, (LENT, record))))

    assert main([str(file)]) == 1


def test_a_member_that_no_record_has_is_shown() -> None:
    assert differences(LENT | {"approved_by": "me"}, wiring.policies()) == ["approved_by: not a member of a record"]


def test_the_metrics_of_its_line_are_no_part_of_a_record() -> None:
    metrics = {"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "Latency"}]}]}, "Latency": [1.0]}

    assert differences(LENT | metrics, wiring.policies()) == []


@pytest.mark.parametrize("twice", ['"credit_score":99', '"figures":{"loans":1,"loans":2}'])
def test_a_name_that_is_repeated_is_refused(tmp_path: Path, twice: str) -> None:
    (tmp_path / "records.jsonl").write_text(json.dumps(LENT)[:-1] + f",{twice}}}\n")

    with pytest.raises(SystemExit, match="line 1 is no decision record: an object repeats a name"):
        main([str(tmp_path / "records.jsonl")])


@pytest.mark.parametrize(
    ("record", "changed"),
    [
        (LENT, {"loan_id": None}),
        (LENT, {"loan_id": "77"}),
        (LENT, {"service": "check-eligibility"}),
        (DECLINED, {"loan_id": 77}),
    ],
)
def test_a_loan_is_named_where_one_was_made_and_nowhere_else(record: dict[str, Any], changed: dict[str, Any]) -> None:
    (shown,) = differences(record | changed, wiring.policies())

    assert shown.startswith("loan_id: ")


def test_an_unknown_outcome_has_no_loan_to_name() -> None:
    """Its record has the decision all the same."""
    assert not differences(LENT | {"status": 500, "loan_id": None}, wiring.policies())


@pytest.mark.parametrize("name", ["loans", "on_hold"])
def test_a_figure_is_of_its_type(name: str) -> None:
    figures = RECORDS[0]["figures"]

    assert differences(RECORDS[0] | {"figures": figures | {name: float(figures[name])}}, wiring.policies())


@pytest.mark.parametrize("name", COMPUTED)
def test_one_changed_byte_is_reported(name: str) -> None:
    """Any byte of the decision; what a figure was changed to may come to the same."""
    rng, policies = random.Random(name), wiring.policies()
    for record in RECORDS:
        text = json.dumps(record[name])
        place = rng.randrange(len(text))
        changed = text[:place] + rng.choice("0123456789".replace(text[place], "")) + text[place + 1 :]
        try:
            forged = record | {name: json.loads(changed)}
        except ValueError:
            continue  # no JSON any more: that line is reported too
        assert differences(forged, policies)[0].startswith(f"{name}: "), changed


@pytest.mark.parametrize(
    ("changed", "reported"),
    [
        ({"policy": "f" * 32}, "policy: ffff"),
        ({"business_date": "1999-12-31"}, "cannot be decided: LookupError"),
        ({"figures": {}}, "cannot be decided: KeyError"),
        ({"tenure": "12"}, "cannot be decided: TypeError"),
    ],
)
def test_a_record_that_cannot_be_of_this_book_is_shown(changed: dict[str, Any], reported: str) -> None:
    assert differences(RECORDS[0] | changed, wiring.policies())[0].startswith(reported)


def test_records_from_before_policies_had_a_hash_are_of_the_first() -> None:
    assert differences(RECORDS[0] | {"policy": "builtin-1"}, wiring.policies()) == []


@pytest.mark.parametrize("content", ["", "not JSON\n", "[1]\n"])
def test_a_file_without_records_proves_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "records.jsonl").write_text(content)
    try:
        status: object = main([str(tmp_path / "records.jsonl")])
    except SystemExit as exc:
        status = exc.code

    assert status not in {0, None}
