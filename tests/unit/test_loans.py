from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.loans import end_of_tenure


@pytest.mark.parametrize(
    ("start", "tenure_months", "end"),
    [
        (date(2024, 6, 15), 1, date(2024, 7, 15)),
        (date(2024, 6, 15), 12, date(2025, 6, 15)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2024, 1, 31), 2, date(2024, 3, 31)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2024, 12, 31), 1, date(2025, 1, 31)),
        (date(2024, 12, 1), 12, date(2025, 12, 1)),
        (date(2024, 8, 31), 480, date(2064, 8, 31)),
    ],
)
def test_a_loan_ends_on_its_day_of_the_month_or_the_last_one(start: date, tenure_months: int, end: date) -> None:
    assert end_of_tenure(start, tenure_months) == end


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 480))
def test_a_loan_ends_as_many_calendar_months_later(start: date, tenure_months: int) -> None:
    end = end_of_tenure(start, tenure_months)

    assert (end.year - start.year) * 12 + end.month - start.month == tenure_months
    assert end.day <= start.day
