import json
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.adapters.score_document import MAX_LENGTH, from_document, is_document, to_document
from lending.domain.eligibility import decide
from lending.domain.loans import LoanApplication
from lending.domain.scoring import CreditProfile, ScoreComponents
from testkit.fakes import POLICY

TODAY = date(2024, 6, 15)
MARK = "1a2b3c4d"

PROFILE = CreditProfile(
    customer_id=1001,
    credit_score=48,
    components=ScoreComponents(Decimal("35.00"), Decimal("6.00"), Decimal("0.00"), Decimal("7.50")),
    loans=3,
    emis_paid_on_time=36,
    tenure_months=36,
    loans_this_year=0,
    lent_amount=Decimal("300000.00"),
    over_limit=False,
    on_hold=False,
    room_for_installments=Decimal("36115.12"),
    as_of=TODAY,
    valid_through=date(2024, 12, 31),
    policy=POLICY,
)
DOCUMENT = to_document(PROFILE, MARK).encode()
FIELDS: dict[str, Any] = json.loads(DOCUMENT)


def with_fields(**fields: Any) -> bytes:
    """Return the document with some fields of other values."""
    return json.dumps(FIELDS | fields).encode()


# The columns hold less than 10**10; sums of many rows hold more.
amounts = st.decimals(min_value=0, max_value=Decimal("999999999999999.99"), places=2)
points = st.decimals(min_value=0, max_value=35, places=2)


@st.composite
def profiles(draw: st.DrawFn) -> CreditProfile:
    as_of = draw(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
    return CreditProfile(
        customer_id=draw(st.integers(1, 4294967295)),
        credit_score=draw(st.integers(0, 100)),
        components=ScoreComponents(*(draw(points) for _ in ScoreComponents._fields)),
        loans=draw(st.integers(0, 10**9)),
        emis_paid_on_time=draw(st.integers(0, 10**9)),
        tenure_months=draw(st.integers(0, 10**9)),
        loans_this_year=draw(st.integers(0, 10**9)),
        lent_amount=draw(amounts),
        over_limit=draw(st.booleans()),
        on_hold=draw(st.booleans()),
        room_for_installments=draw(amounts) - draw(amounts),
        as_of=as_of,
        valid_through=draw(st.dates(as_of, date(2099, 12, 31))),
        policy=POLICY,
    )


@given(profiles(), st.data())
def test_what_is_read_is_what_was_written(profile: CreditProfile, data: st.DataObject) -> None:
    today = data.draw(st.dates(profile.as_of, profile.valid_through))
    document = to_document(profile, MARK)

    read = from_document(document.encode(), profile.customer_id, today, POLICY, MARK)

    assert read == profile
    assert to_document(read, MARK) == document, "down to the last zero"


OTHER = POLICY._replace(hash="0f" * 16)


def test_another_policys_document_is_a_miss() -> None:
    assert from_document(DOCUMENT, 1001, TODAY, OTHER, MARK) is None
    assert from_document(with_fields(next=None), 1001, TODAY, OTHER, MARK) is None
    assert from_document(with_fields(next=FIELDS), 1001, TODAY, OTHER, MARK) is None


def test_before_a_policy_begins_a_document_holds_the_profiles_of_both() -> None:
    then = PROFILE._replace(credit_score=51, as_of=TODAY + timedelta(days=1), policy=OTHER)
    text = to_document(PROFILE, MARK, then).encode()

    assert from_document(text, 1001, TODAY, POLICY, MARK) == PROFILE
    assert from_document(text, 1001, then.as_of, OTHER, MARK) == then
    assert from_document(text, 1001, TODAY, OTHER, MARK) is None, "not before its day"
    assert from_document(text, 1001, then.as_of, OTHER, "another") is None
    assert from_document(text, 1002, then.as_of, OTHER, MARK) is None
    assert len(text) < MAX_LENGTH


def test_a_document_is_told_by_its_schema_and_database() -> None:
    assert is_document(DOCUMENT, MARK)
    assert not is_document(DOCUMENT, MARK[:-1])
    assert not is_document(DOCUMENT.replace(b'"v":4', b'"v":3'), MARK)


@given(profiles())
def test_a_document_is_json_that_keeps_well_within_the_length_limit(profile: CreditProfile) -> None:
    document = to_document(profile, MARK)

    assert json.loads(document)["credit_score"] == profile.credit_score
    assert len(document) < MAX_LENGTH / 2


def test_the_document_as_it_is_written_is_read() -> None:
    """Where the tests below get None, it is for what they changed."""
    assert from_document(with_fields(), 1001, TODAY, POLICY, MARK) == PROFILE


@pytest.mark.parametrize("version", [0, 1, 2, "3", None, [3]])
def test_another_schema_is_a_miss(version: Any) -> None:
    assert from_document(with_fields(v=version), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize("customer_id", [1002, 0, -1001, "1001", None])
def test_another_customers_document_is_a_miss(customer_id: Any) -> None:
    assert from_document(with_fields(customer_id=customer_id), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize(
    ("today", "read"),
    [
        (TODAY - timedelta(days=1), False),
        (TODAY, True),
        (date(2024, 12, 31), True),
        (date(2025, 1, 1), False),
    ],
)
def test_a_document_is_read_from_its_first_to_its_last_day(today: date, *, read: bool) -> None:
    """A clock set back must not find what it could not have computed."""
    assert (from_document(DOCUMENT, 1001, today, POLICY, MARK) is not None) == read


def test_a_document_truncated_anywhere_is_a_miss() -> None:
    read = [from_document(DOCUMENT[:length], 1001, TODAY, POLICY, MARK) for length in range(len(DOCUMENT))]

    assert set(read) == {None}


@pytest.mark.parametrize("name", FIELDS)
def test_a_document_that_lacks_a_field_is_a_miss(name: str) -> None:
    fields = {other: value for other, value in FIELDS.items() if other != name}

    assert from_document(json.dumps(fields).encode(), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize("name", FIELDS["components"])
def test_a_document_that_lacks_a_component_is_a_miss(name: str) -> None:
    components = {other: value for other, value in FIELDS["components"].items() if other != name}

    assert from_document(with_fields(components=components), 1001, TODAY, POLICY, MARK) is None


def test_a_huge_document_is_a_miss_without_being_parsed() -> None:
    padding = b" " * (MAX_LENGTH - len(DOCUMENT))

    assert from_document(DOCUMENT.replace(b"{", b"{" + padding, 1), 1001, TODAY, POLICY, MARK) == PROFILE
    assert from_document(DOCUMENT.replace(b"{", b"{ " + padding, 1), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize("more", [b" ", b"}", b"{}"])
def test_a_document_with_something_behind_it_is_a_miss(more: bytes) -> None:
    assert from_document(DOCUMENT + more, 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe", b"\x00", b"[" * MAX_LENGTH, b'{"v":' * 300, b"1" * MAX_LENGTH, b"NaN"]
)
def test_garbage_is_a_miss(text: bytes) -> None:
    assert from_document(text, 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *product(["lent_amount", "room_for_installments"], ["", "12,5", None, {}]),
        *product(["as_of", "valid_through"], ["", "soon", "2024-02-30", None, 20240615]),
        *product(["components"], [None, [], "35.00", {"punctuality": "high"}]),
    ],
)
def test_a_field_that_cannot_be_read_is_a_miss(name: str, value: Any) -> None:
    assert from_document(with_fields(**{name: value}), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *product(["credit_score"], ["48", None, 48.5, True, [], 101, -1]),
        *product(["loans"], ["3", None, 3.5, True, {}, -1]),
        *product(
            ["lent_amount", "room_for_installments"],
            ["NaN", "sNaN", "Infinity", "-Infinity", "1e28", "-1.1e28", "1e999999999", 0.1, 90000, [0, [9], 4]],
        ),
        ("lent_amount", "-1.00"),
    ],
)
def test_a_field_of_another_kind_is_a_miss(name: str, value: Any) -> None:
    assert from_document(with_fields(**{name: value}), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize("score", [0, 100])
def test_the_lowest_and_the_highest_score_are_read(score: int) -> None:
    profile = from_document(with_fields(credit_score=score), 1001, TODAY, POLICY, MARK)

    assert profile == PROFILE._replace(credit_score=score)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_a_miss(text: bytes) -> None:
    assert from_document(text, 1001, TODAY, POLICY, MARK) is None


odd_values = json_values | st.sampled_from(["NaN", "sNaN", "Infinity", "-1", "1e999999", "1e-999999", 1e30, "48"])


@given(st.sampled_from([name for name in FIELDS if name != "components"]), odd_values)
def test_a_document_with_an_odd_value_is_a_miss_or_decides_without_an_error(name: str, value: Any) -> None:
    profile = from_document(with_fields(**{name: value}), 1001, TODAY, POLICY, MARK)

    if profile is not None:
        decide(LoanApplication(1001, Decimal(100000), Decimal(12), 12), profile)


@pytest.mark.parametrize("mark", ["", "another", None, 1])
def test_another_databases_document_is_a_miss(mark: Any) -> None:
    assert from_document(with_fields(db=mark), 1001, TODAY, POLICY, MARK) is None


@pytest.mark.parametrize(("name", "value"), [*product(["on_hold", "over_limit"], [0, 1, "true", None])])
def test_what_is_so_or_not_is_true_or_false_and_nothing_else(name: str, value: Any) -> None:
    assert from_document(with_fields(**{name: value}), 1001, TODAY, POLICY, MARK) is None
