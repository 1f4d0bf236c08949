from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.pricing import corrected_rate, slab_for
from testkit.fakes import POLICY

scores = st.integers(0, 100)
rates = st.decimals(min_value=0, max_value=100, places=2)


@pytest.mark.parametrize(
    ("credit_score", "floor_rate_pct"), [(100, 0), (51, 0), (50, 12), (31, 12), (30, 16), (11, 16)]
)
def test_floor_rate_rises_at_each_slab_edge(credit_score: int, floor_rate_pct: int) -> None:
    """An edge belongs to the dearer slab."""
    slab = slab_for(credit_score, POLICY.slabs)

    assert slab is not None
    assert slab.floor_rate_pct == floor_rate_pct


@pytest.mark.parametrize("credit_score", [0, 10])
def test_the_lowest_scores_have_no_slab(credit_score: int) -> None:
    assert slab_for(credit_score, POLICY.slabs) is None
    assert corrected_rate(slab_for(credit_score, POLICY.slabs), Decimal("8.25")) == Decimal("8.25")


@pytest.mark.parametrize(
    ("credit_score", "asked", "corrected"),
    [(51, "0", "0"), (50, "11.99", "12"), (50, "12.01", "12.01"), (30, "15.99", "16"), (30, "99", "99")],
)
def test_a_rate_below_the_floor_is_raised_to_it(credit_score: int, asked: str, corrected: str) -> None:
    assert corrected_rate(slab_for(credit_score, POLICY.slabs), Decimal(asked)) == Decimal(corrected)


@given(scores, rates)
def test_no_rate_is_ever_lowered(credit_score: int, asked: Decimal) -> None:
    assert corrected_rate(slab_for(credit_score, POLICY.slabs), asked) >= asked


@given(scores, scores, rates)
def test_a_better_score_never_pays_more(one: int, other: int, asked: Decimal) -> None:
    low, high = sorted((one, other))
    if slab_for(low, POLICY.slabs) is not None:
        assert corrected_rate(slab_for(high, POLICY.slabs), asked) <= corrected_rate(slab_for(low, POLICY.slabs), asked)
