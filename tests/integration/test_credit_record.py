"""The one SELECT behind every score gives the same sums as plain Python."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lending.adapters.logins import GivenLogin
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_loans import MySQLLoanStore
from lending.config import Settings
from lending.domain.loans import LoanApplication, LoanRequest
from lending.domain.scoring import assess
from lending.errors import CustomerNotFoundError
from lending.patience import Patience
from testkit.database import Database
from testkit.fakes import POLICY, Customer, Loan, a_loan, credit_record

REQUEST = LoanRequest(LoanApplication(1001, Decimal(1), Decimal(1), 1), "r1", b"k1")
ASHA = Customer(monthly_salary=Decimal("90000.00"), approved_limit=Decimal("3000000.00"))

amounts = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("9999999999.99"), places=2)


@st.composite
def days_around(draw: st.DrawFn, today: date) -> date:
    """Days on both sides of every edge in the sums: today, and both ends of the calendar year."""
    edge = draw(st.sampled_from([today, date(today.year, 1, 1), date(today.year, 12, 31), date(today.year - 3, 7, 1)]))
    return edge + timedelta(days=draw(st.integers(-1, 1)))


@st.composite
def loans(draw: st.DrawFn, today: date) -> Loan:
    tenure = draw(st.integers(1, 480))
    start, end = sorted((draw(days_around(today)), draw(days_around(today))))
    return Loan(
        loan_amount=draw(amounts),
        tenure=tenure,
        monthly_repayment=draw(amounts | st.just(Decimal(0))),
        emis_paid_on_time=draw(st.integers(0, tenure)),
        start_date=start,
        end_date=end,
        status=draw(st.sampled_from(["APPROVED", "PENDING", "PAID"])),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[date, list[Loan]]:
    """A day, and any loans around it."""
    today = draw(st.sampled_from([date(2024, 6, 15), date(2024, 1, 1), date(2024, 12, 31), date(2024, 2, 29)]))
    return today, draw(st.lists(loans(today), max_size=12))


@pytest.fixture(scope="module")
def store(migrated_database: Database) -> Iterator[MySQLLoanStore]:
    """The store on its own connection."""
    given_settings = Settings.from_env(migrated_database.environment)
    connection = MySQLConnection(
        given_settings, GivenLogin(given_settings.db_user, given_settings.db_password), Patience()
    )
    lending = MySQLConnection(
        given_settings, GivenLogin(given_settings.db_user, given_settings.db_password), Patience(), autocommit=False
    )
    yield MySQLLoanStore(connection, lending)
    connection.close()
    lending.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories())
def test_the_select_sums_as_python_does(
    history: tuple[date, list[Loan]], store: MySQLLoanStore, migrated_database: Database
) -> None:
    today, customers_loans = history
    migrated_database.connection.begin()  # one commit instead of four
    migrated_database.clear()
    migrated_database.add_customer(1001, ASHA, customers_loans)
    migrated_database.add_customer(1002, ASHA, [a_loan()])
    migrated_database.connection.commit()

    record, from_writer = store.credit_record(1001, today)

    expected = credit_record(1001, ASHA, customers_loans, today)
    assert record == expected
    assert from_writer
    assert [type(value) for value in record] == [type(value) for value in expected]


def test_a_transaction_reads_the_same(store: MySQLLoanStore, database: Database) -> None:
    today = date(2024, 6, 15)
    history = [a_loan(), a_loan(status="PENDING", start_date=today, end_date=today)]
    database.add_customer(1001, ASHA, history)

    with store.transaction(1001) as transaction:
        _, record = transaction.read(REQUEST, today)

    assert record == credit_record(1001, ASHA, history, today)
    assert record.first_current_end == today


def test_a_customer_without_loans_has_a_record_of_zeros(store: MySQLLoanStore, database: Database) -> None:
    today = date(2024, 6, 15)
    database.add_customer(1001, ASHA)
    database.add_customer(1002, ASHA, [a_loan()])

    record, _ = store.credit_record(1001, today)

    assert record == credit_record(1001, ASHA, [], today)
    assert assess(record, today, POLICY).credit_score == 0


def test_the_largest_amounts_add_up(store: MySQLLoanStore, database: Database) -> None:
    """No sum overflows, and none loses its cents."""
    today = date(2024, 6, 15)
    largest = Decimal("9999999999.99")
    loan = a_loan(loan_amount=largest, monthly_repayment=largest, tenure=480, emis_paid_on_time=480)
    history = [loan._replace(status="APPROVED", end_date=date(2060, 1, 1))] * 200
    database.add_customer(1001, Customer(largest, largest), history)

    record, _ = store.credit_record(1001, today)

    assert record == credit_record(1001, Customer(largest, largest), history, today)
    assert record.current_amount == Decimal("1999999999998.00")


def test_an_unknown_customer_has_none(store: MySQLLoanStore, database: Database) -> None:
    database.add_customer(1001, ASHA, [a_loan()])

    with pytest.raises(CustomerNotFoundError, match="No customer has id 1002"):
        store.credit_record(1002, date(2024, 6, 15))
    with pytest.raises(CustomerNotFoundError), store.transaction(1002):
        pass
