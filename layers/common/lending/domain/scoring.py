"""The credit score, and the profile that a check needs and the cache keeps."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from lending.domain.installment import round_half_even
from lending.domain.loans import CreditRecord

PUNCTUALITY_POINTS, EXPERIENCE_POINTS, ACTIVITY_POINTS, VOLUME_POINTS = 35, 20, 20, 25
LOANS_FOR_FULL_EXPERIENCE = 10
LOANS_THIS_YEAR_FOR_FULL_ACTIVITY = 3
AMOUNT_FOR_FULL_VOLUME = 1_000_000


class ScoreComponents(NamedTuple):
    """What a score is made of, in points with two decimals for the reader; the score rounds the exact sum."""

    punctuality: Decimal
    """0..35, installments paid on time over installments agreed: the sum of the tenures."""
    experience: Decimal
    """0..20, number of loans."""
    activity: Decimal
    """0..20, loans started this calendar year."""
    volume: Decimal
    """0..25, amount of the approved and paid loans."""

    def by_points_missed(self) -> list[tuple[str, Decimal, Decimal]]:
        """Return each component's name, points and points possible; what misses most comes first."""
        components = zip(self._fields, self, FULL_MARKS, strict=True)
        return sorted(components, key=lambda component: component[1] - component[2])


FULL_MARKS = ScoreComponents(
    *(Decimal(100 * p).scaleb(-2) for p in (PUNCTUALITY_POINTS, EXPERIENCE_POINTS, ACTIVITY_POINTS, VOLUME_POINTS))
)


class CreditProfile(NamedTuple):
    """All that a check needs to know of a customer. Money in major currency units."""

    customer_id: int
    credit_score: int
    components: ScoreComponents
    loans: int
    emis_paid_on_time: int
    tenure_months: int
    loans_this_year: int
    lent_amount: Decimal
    """The sums that the score is made of, as in CreditRecord."""
    monthly_salary: Decimal
    approved_limit: Decimal
    on_hold: bool
    current_amount: Decimal
    """Sum of loan_amount over current loans."""
    current_installments: Decimal
    """Sum of monthly_repayment over current loans."""
    as_of: date
    valid_through: date
    """The last day on which this profile cannot change by the calendar alone."""

    @property
    def over_limit(self) -> bool:
        """Whether the current loans add up to more than the customer's approved limit."""
        return self.current_amount > self.approved_limit


def assess(record: CreditRecord, today: date) -> CreditProfile:
    """Return the profile that follows from a record read for `today`.

    The score is 0 without loans or with current loans over the approved limit, else the exact sum of
    35 x min(1, paid on time / tenure), 20 x min(1, loans / 10), 20 x min(1, loans this year / 3) and
    25 x min(1, amount lent / 1,000,000), rounded half to even: 0..100.
    """
    parts = _points(record)
    valid_through = _valid_through(record, today)
    over_limit = record.current_amount > record.approved_limit
    return CreditProfile(
        customer_id=record.customer_id,
        credit_score=0 if record.loans == 0 or over_limit else _rounded_sum(parts),
        components=ScoreComponents(*[Decimal(round_half_even(100 * n, d)).scaleb(-2) for n, d in parts]),
        loans=record.loans,
        emis_paid_on_time=record.emis_paid_on_time,
        tenure_months=record.tenure_months,
        loans_this_year=record.loans_this_year,
        lent_amount=record.lent_amount,
        monthly_salary=record.monthly_salary,
        approved_limit=record.approved_limit,
        on_hold=record.on_hold,
        current_amount=record.current_amount,
        current_installments=record.current_installments,
        as_of=today,
        valid_through=valid_through,
    )


def _points(record: CreditRecord) -> list[tuple[int, int]]:
    """Return each component's points as an exact fraction (numerator, denominator)."""
    lent, lent_unit = record.lent_amount.as_integer_ratio()
    return [
        _share(PUNCTUALITY_POINTS, record.emis_paid_on_time, record.tenure_months),
        _share(EXPERIENCE_POINTS, record.loans, LOANS_FOR_FULL_EXPERIENCE),
        _share(ACTIVITY_POINTS, record.loans_this_year, LOANS_THIS_YEAR_FOR_FULL_ACTIVITY),
        _share(VOLUME_POINTS, lent, lent_unit * AMOUNT_FOR_FULL_VOLUME),
    ]


def _share(points: int, reached: int, full: int) -> tuple[int, int]:
    """Return points x min(1, reached / full) as a fraction; 0 where nothing can be reached."""
    return (points * min(reached, full), full) if full else (0, 1)


def _rounded_sum(fractions: list[tuple[int, int]]) -> int:
    total, unit = 0, 1
    for numerator, denominator in fractions:
        total, unit = total * denominator + numerator * unit, unit * denominator
    return round_half_even(total, unit)


def _valid_through(record: CreditRecord, today: date) -> date:
    """Return the earlier of 31 December (loans stop counting as this year's) and the day a current loan ends."""
    end_of_year = date(today.year, 12, 31)
    return min(end_of_year, record.first_current_end or end_of_year)
