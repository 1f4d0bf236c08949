"""The credit score, and the profile that a check needs and the cache keeps."""

from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from lending.domain.installment import CENT, round_half_even
from lending.domain.loans import CreditRecord
from lending.domain.policy import Policy, Weights


class ScoreComponents(NamedTuple):
    """What a score is made of, in points with two decimals for the reader; the score rounds the exact sum."""

    punctuality: Decimal
    """Installments paid on time over installments agreed: the sum of the tenures."""
    experience: Decimal
    """Number of loans."""
    activity: Decimal
    """Loans started this calendar year."""
    volume: Decimal
    """Amount of the approved and paid loans."""

    def by_points_missed(self, possible: Weights) -> list[tuple[str, Decimal, int]]:
        """Return each component's name, points and points possible; what misses most comes first."""
        components = zip(self._fields, self, possible, strict=True)
        return sorted(components, key=lambda component: component[1] - component[2])


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
    over_limit: bool
    """Whether the current loans add up to more than the customer's approved limit."""
    on_hold: bool
    room_for_installments: Decimal
    """The largest installment that the policy's share of the salary carries beside the current ones; below 0: none."""
    as_of: date
    valid_through: date
    """The last day on which neither the calendar nor another policy can change this profile."""
    policy: Policy
    """By which the score was computed."""


def assess(record: CreditRecord, today: date, policy: Policy) -> CreditProfile:
    """Return the profile that follows from a record read for `today`.

    The score is 0 without loans or with current loans over the approved limit, else the exact sum of
    weight x min(1, reached / full marks) over the four parts, rounded half to even: 0..100.
    """
    parts = _points(record, policy)
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
        over_limit=over_limit,
        on_hold=record.on_hold,
        room_for_installments=_room_for_installments(record, policy),
        as_of=today,
        valid_through=_valid_through(record, today, policy),
        policy=policy,
    )


def _room_for_installments(record: CreditRecord, policy: Policy) -> Decimal:
    """Return what the salary may carry beside the current installments, rounded down to the cent."""
    share = record.monthly_salary * policy.salary_share_pct / 100
    return (share - record.current_installments).quantize(CENT, ROUND_FLOOR)


def _points(record: CreditRecord, policy: Policy) -> list[tuple[int, int]]:
    """Return each component's points as an exact fraction (numerator, denominator)."""
    lent, lent_unit = record.lent_amount.as_integer_ratio()
    full, full_unit = policy.full_volume.as_integer_ratio()
    weights = policy.weights
    return [
        _share(weights.punctuality, record.emis_paid_on_time, record.tenure_months),
        _share(weights.experience, record.loans, policy.full_experience),
        _share(weights.activity, record.loans_this_year, policy.full_activity),
        _share(weights.volume, lent * full_unit, lent_unit * full),
    ]


def _share(points: int, reached: int, full: int) -> tuple[int, int]:
    """Return points x min(1, reached / full) as a fraction; 0 where nothing can be reached."""
    return (points * min(reached, full), full) if full else (0, 1)


def _rounded_sum(fractions: list[tuple[int, int]]) -> int:
    total, unit = 0, 1
    for numerator, denominator in fractions:
        total, unit = total * denominator + numerator * unit, unit * denominator
    return round_half_even(total, unit)


def _valid_through(record: CreditRecord, today: date, policy: Policy) -> date:
    """Return the earliest of 31 December (loans stop counting as this year's), the policy's last day and a loan's."""
    end_of_year = date(today.year, 12, 31)
    return min(end_of_year, policy.last_day, record.first_current_end or end_of_year)
