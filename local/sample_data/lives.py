"""Random customers of a few kinds, so that every pricing slab has many."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from random import Random
from typing import NamedTuple

from local.sample_data.names import FIRST_NAMES, LAST_NAMES
from local.sample_data.records import (
    Customer,
    CustomerWithLoans,
    Loan,
    current_debt,
    current_installments,
    loan_record,
    phone_number,
)

OLDEST_LOAN_DAYS = 13 * 365
SHORT_TENURES = (6, 12, 18, 24, 36, 48, 60)
LONG_TENURES = (120, 180, 240)
MORTGAGE_AMOUNT = (400_000, 1_500_000)
MONTHLY_SALARY = (20_000, 150_000)
LIMIT_IN_SALARIES = 36
PENDING_PCT = 20
"""How many of 100 loans of which no installment is due yet are still PENDING."""

Share = tuple[float, float]
"""A share's lowest and highest value."""


class Life(NamedTuple):
    """How a kind of customer borrows and repays; pairs are lowest and highest values."""

    per_hundred: int
    """How many of 100 customers lead it."""
    loans: tuple[int, int]
    """Loans of earlier years."""
    loans_this_year: tuple[int, int] = (0, 0)
    loan_amount: tuple[int, int] = (20_000, 120_000)
    punctuality: Share = (0.8, 1.0)
    """Installments paid on time over those due so far."""
    mortgage: bool = False
    """Whether one more, large and long loan is current."""
    ends_soon: bool = False
    """Whether one more loan's last installment is due within a month: a score cached today is soon out of date."""
    salary_use: Share | None = None
    """Current installments over half the monthly salary, above 1 nothing more is affordable; None: any salary."""
    limit_use: Share | None = None
    """Current debt over the approved limit, above 1 the score is 0; None: three years' salaries, as is usual."""


LIVES = {
    "first salary": Life(per_hundred=8, loans=(0, 0)),
    "newcomer": Life(per_hundred=10, loans=(0, 0), loans_this_year=(1, 3), loan_amount=(10_000, 60_000)),
    "regular": Life(per_hundred=30, loans=(8, 18), loans_this_year=(0, 1)),
    "careless": Life(per_hundred=13, loans=(5, 9), loan_amount=(20_000, 80_000), punctuality=(0.3, 0.7)),
    "late payer": Life(per_hundred=10, loans=(2, 5), loan_amount=(10_000, 50_000), punctuality=(0.1, 0.5)),
    "hardly pays": Life(per_hundred=8, loans=(1, 2), loan_amount=(5_000, 30_000), punctuality=(0.0, 0.1)),
    "homeowner": Life(per_hundred=5, loans=(3, 12), mortgage=True, salary_use=(0.2, 0.7), limit_use=(0.3, 0.9)),
    "at the limit": Life(per_hundred=3, loans=(6, 14), mortgage=True, salary_use=(0.9, 0.99), limit_use=(0.95, 1.0)),
    "over the limit": Life(per_hundred=3, loans=(4, 12), mortgage=True, salary_use=(0.3, 0.8), limit_use=(1.05, 1.5)),
    "salary spent": Life(per_hundred=3, loans=(4, 12), mortgage=True, salary_use=(1.05, 1.3), limit_use=(0.3, 0.9)),
    "nearly done": Life(per_hundred=3, loans=(3, 9), ends_soon=True),
    "small trader": Life(per_hundred=4, loans=(60, 90), loans_this_year=(2, 5), loan_amount=(5_000, 40_000)),
}


def random_customers(customer_ids: Iterable[int], today: date) -> Iterator[CustomerWithLoans]:
    """Yield a customer with their loans for each id; for the same id and day always the same ones."""
    lives = list(LIVES.values())
    weights = [life.per_hundred for life in lives]
    for customer_id in customer_ids:
        rng = Random(customer_id)
        yield _customer(rng, rng.choices(lives, weights)[0], customer_id, today)


def _customer(rng: Random, life: Life, customer_id: int, today: date) -> CustomerWithLoans:
    terms = enumerate(_terms(rng, life, today), start=1)
    loans = [_loan(rng, life, customer_id, number, loan_terms, today) for number, loan_terms in terms]
    installments, debt = current_installments(loans), current_debt(loans)
    salary = _whole_of(rng, 2 * installments, life.salary_use) if life.salary_use else _thousands(rng, MONTHLY_SALARY)
    customer = Customer(
        customer_id=customer_id,
        first_name=rng.choice(FIRST_NAMES),
        last_name=rng.choice(LAST_NAMES),
        age=rng.randint(21, 68),
        phone_number=phone_number(customer_id),
        monthly_salary=salary,
        approved_limit=_whole_of(rng, debt, life.limit_use) if life.limit_use else LIMIT_IN_SALARIES * salary,
        current_debt=debt,
    )
    return customer, loans


class _Terms(NamedTuple):
    loan_amount: Decimal
    tenure: int
    start_date: date


def _terms(rng: Random, life: Life, today: date) -> Iterator[_Terms]:
    new_year = date(today.year, 1, 1)
    for _ in range(rng.randint(*life.loans)):
        start = new_year - timedelta(days=rng.randint(1, OLDEST_LOAN_DAYS))
        yield _Terms(_thousands(rng, life.loan_amount), rng.choice(SHORT_TENURES), start)
    for _ in range(rng.randint(*life.loans_this_year)):
        start = new_year + timedelta(days=rng.randint(0, (today - new_year).days))
        yield _Terms(_thousands(rng, life.loan_amount), rng.choice(SHORT_TENURES), start)
    if life.mortgage:
        start = new_year - timedelta(days=rng.randint(1, 3 * 365))
        yield _Terms(_thousands(rng, MORTGAGE_AMOUNT), rng.choice(LONG_TENURES), start)
    if life.ends_soon:
        years = rng.randint(1, 4)
        # Three days after the 28th no month is left: the last installment is due today at the earliest.
        start = date(today.year - years, today.month, min(today.day, 28)) + timedelta(days=rng.randint(3, 25))
        yield _Terms(_thousands(rng, life.loan_amount), 12 * years, start)


def _loan(rng: Random, life: Life, customer_id: int, number: int, terms: _Terms, today: date) -> Loan:
    installments_due = min(terms.tenure, _full_months(terms.start_date, today))
    loan = loan_record(
        customer_id=customer_id,
        number=number,
        loan_amount=terms.loan_amount,
        interest_rate=Decimal(rng.randint(700, 1800)).scaleb(-2),
        tenure=terms.tenure,
        emis_paid_on_time=round(installments_due * rng.uniform(*life.punctuality)),
        start_date=terms.start_date,
        today=today,
    )
    if installments_due == 0 and rng.randrange(100) < PENDING_PCT:
        return loan._replace(status="PENDING")
    return loan


def _full_months(start: date, today: date) -> int:
    return 12 * (today.year - start.year) + today.month - start.month - (today.day < start.day)


def _thousands(rng: Random, bounds: tuple[int, int]) -> Decimal:
    return Decimal(rng.randrange(bounds[0], bounds[1] + 1, 1000))


def _whole_of(rng: Random, used: Decimal, share: Share) -> Decimal:
    """Return the amount, in full hundreds, of which `used` is a random share."""
    return (used / Decimal(rng.uniform(*share)) / 100).to_integral_value(ROUND_CEILING) * 100
