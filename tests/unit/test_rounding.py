from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.installment import round_half_even


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 0), (3, 2, 2), (5, 2, 2), (7, 2, 4), (7, 3, 2), (8, 3, 3), (0, 7, 0)],
)
def test_a_tie_goes_to_the_even_neighbour(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_even(numerator, denominator) == rounded


@given(st.integers(), st.integers(min_value=1))
def test_it_rounds_as_fractions_do(numerator: int, denominator: int) -> None:
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(-(10**15), 10**15))
def test_it_rounds_as_decimals_do(cents: int) -> None:
    expected = Decimal(cents).scaleb(-2).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)

    assert round_half_even(cents, 100) == expected
