"""The sample portfolio has every kind of customer, and its characters keep their answers."""

import csv
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pymysql
import pytest

from lending.domain.eligibility import Decision, ReasonCode, decide
from lending.domain.installment import monthly_installment
from lending.domain.loans import LoanApplication, end_of_tenure
from lending.domain.pricing import slab_for
from lending.domain.scoring import CreditProfile, assess
from local.sample_data import load_if_empty, loading, sample_portfolio
from local.sample_data.__main__ import write_csv
from local.sample_data.characters import characters
from local.sample_data.records import CustomerWithLoans
from testkit import fakes
from testkit.database import Database
from testkit.fakes import POLICY

ODD_DAYS = [date(2026, 11, 23), date(2027, 1, 1), date(2027, 12, 31), date(2028, 2, 29), date(2031, 3, 31)]

APPROVED: list[ReasonCode] = []
DEBT = ReasonCode.DEBT_OVER_APPROVED_LIMIT
INSTALLMENTS = ReasonCode.INSTALLMENTS_OVER_HALF_SALARY


def profile_of(customer_with_loans: CustomerWithLoans, today: date) -> CreditProfile:
    customer, loans = customer_with_loans
    terms = fakes.Customer(customer.monthly_salary, customer.approved_limit)
    history = [fakes.Loan(*(getattr(loan, field) for field in fakes.Loan._fields)) for loan in loans]
    return assess(fakes.credit_record(customer.customer_id, terms, history, today), today, POLICY)


def decision_on(profile: CreditProfile, *, interest_rate: str = "8") -> Decision:
    return decide(LoanApplication(profile.customer_id, Decimal(100_000), Decimal(interest_rate), 12), profile)


@pytest.mark.parametrize("made_on", ODD_DAYS)
@pytest.mark.parametrize("asked_after_years", [0, 10])
def test_the_characters_answer_what_their_table_says(made_on: date, asked_after_years: int) -> None:
    asked_on = end_of_tenure(made_on, 12 * asked_after_years)

    answers = {}
    for character in characters(made_on):
        profile = profile_of(character, asked_on)
        decision = decision_on(profile)
        answers[profile.customer_id] = (
            decision.credit_score,
            int(decision.corrected_interest_rate),
            list(decision.reason_codes),
        )

    assert answers == {
        1001: (64, 8, APPROVED),
        1002: (50, 12, APPROVED),
        1003: (25, 16, APPROVED),
        1004: (8, 8, [ReasonCode.CREDIT_SCORE_TOO_LOW]),
        1005: (0, 8, [ReasonCode.NO_CREDIT_HISTORY]),
        1006: (0, 8, [DEBT]),
        1007: (64, 8, [INSTALLMENTS]),
        1008: (64, 8, APPROVED),
        1009: (46, 12, [INSTALLMENTS]),
        1010: (0, 8, [DEBT, INSTALLMENTS]),
    }


def test_one_character_can_just_afford_twelve_percent() -> None:
    hana = profile_of(next(islice(characters(ODD_DAYS[0]), 7, None)), ODD_DAYS[0])

    assert decision_on(hana, interest_rate="12").approved
    assert not decision_on(hana, interest_rate="12.01").approved


@pytest.mark.parametrize("today", ODD_DAYS)
def test_every_slab_and_every_reason_is_well_inhabited(today: date) -> None:
    profiles = [profile_of(each, today) for each in sample_portfolio(today)]

    slabs = Counter(slab_for(profile.credit_score, POLICY.slabs) for profile in profiles)
    reasons = Counter(reason for profile in profiles for reason in decision_on(profile).reason_codes)
    assert len(profiles) == 1000
    assert all(slabs[slab] >= 100 for slab in (*POLICY.slabs, None))
    # Nobody of the sample is on hold, and no application names a highest rate.
    others = set(ReasonCode) - {ReasonCode.CUSTOMER_ON_HOLD, ReasonCode.RATE_OVER_HIGHEST}
    assert all(reasons[reason] >= 20 for reason in others)


def test_some_lives_are_near_an_edge() -> None:
    today = ODD_DAYS[0]

    profiles = [profile_of(each, today) for each in sample_portfolio(today)]

    soon = today + timedelta(days=31)
    assert sum(today <= profile.valid_through <= soon for profile in profiles) >= 20
    rooms = [profile.room_for_installments for profile in profiles]
    assert sum(0 <= room <= 3000 for room in rooms) >= 15
    assert sum(room < 0 for room in rooms) >= 15


def test_the_sample_is_the_same_whenever_it_is_made_and_however_large() -> None:
    small = list(sample_portfolio(ODD_DAYS[0], customers=50))

    assert list(islice(sample_portfolio(ODD_DAYS[0], customers=60), 50)) == small
    assert [customer.customer_id for customer, _ in small] == list(range(1001, 1051))


@pytest.mark.parametrize("today", ODD_DAYS)
def test_loans_are_what_the_rules_would_make_of_their_terms(today: date) -> None:
    for customer, loans in sample_portfolio(today):
        for loan in loans:
            assert loan.customer_id == customer.customer_id
            assert loan.monthly_repayment == monthly_installment(loan.loan_amount, loan.interest_rate, loan.tenure)
            assert loan.end_date == end_of_tenure(loan.start_date, loan.tenure)
            assert loan.start_date <= today
            assert (loan.status == "PAID") == (loan.end_date < today)
            assert 0 <= loan.emis_paid_on_time <= loan.tenure


def test_an_empty_database_is_given_the_sample_and_no_other_is_touched(database: Database) -> None:
    today = date(2026, 11, 23)

    assert load_if_empty(database.connection, today) == 1000
    loaded = database.execute("SELECT COUNT(*) FROM loans")
    assert load_if_empty(database.connection, today) == 0

    assert database.execute("SELECT MIN(customer_id), MAX(customer_id), COUNT(*) FROM customers") == (
        (1001, 2000, 1000),
    )
    assert loaded == database.execute("SELECT COUNT(*) FROM loans")
    assert database.execute("SELECT COUNT(DISTINCT customer_id) FROM cache_invalidations") == ((1000,),)
    assert loaded == ((sum(len(loans) for _, loans in sample_portfolio(today)),),)


def test_a_load_that_fails_leaves_the_database_empty(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (customer, loans), *rest = sample_portfolio(ODD_DAYS[0], customers=20)
    two_of_one_id = [(customer, [*loans, loans[0]]), *rest]
    monkeypatch.setattr(loading, "sample_portfolio", lambda _: two_of_one_id)

    with pytest.raises(pymysql.IntegrityError):
        load_if_empty(database.connection, ODD_DAYS[0])

    assert database.execute("SELECT COUNT(*) FROM customers") == ((0,),)


def test_the_csv_files_hold_the_same_rows(tmp_path: Path) -> None:
    write_csv(tmp_path, ODD_DAYS[0], customers=20)

    with (tmp_path / "customers.csv").open(newline="") as file:
        customers = list(csv.DictReader(file))
    with (tmp_path / "loans.csv").open(newline="") as file:
        loans = list(csv.DictReader(file))
    sample = list(sample_portfolio(ODD_DAYS[0], customers=20))
    assert customers == [{k: str(v) for k, v in customer._asdict().items()} for customer, _ in sample]
    assert loans == [{k: str(v) for k, v in loan._asdict().items()} for _, loans in sample for loan in loans]
