"""A replay comes to what the first request came to, whatever has been added to decisions since."""

from datetime import date
from decimal import Decimal

import pytest

from lending import wiring
from lending.domain.eligibility import decide
from lending.domain.loans import LoanApplication, LoanRequest
from lending.domain.scoring import assess
from lending.ports import EarlierResult
from testkit.database import Database
from testkit.fakes import POLICY, Customer, a_loan
from testkit.service import TODAY, Service

ASHA = 1001
APPLICATION = LoanApplication(ASHA, Decimal("100000.00"), Decimal("8.00"), 12)
TOO_MUCH = APPLICATION._replace(loan_amount=Decimal("9000000.00"))
KEY = b"k" * 32


@pytest.fixture(autouse=True)
def _asha(service: Service, database: Database) -> None:  # noqa: ARG001 - it wires
    salaried = Customer(monthly_salary=Decimal(90000), approved_limit=Decimal(3000000))
    database.add_customer(ASHA, salaried, [a_loan()] * 3)


def kept(request: LoanRequest) -> EarlierResult | None:
    """Return what the store says that a request with the same key came to."""
    with wiring.loan_store().transaction(ASHA) as transaction:
        earlier, _ = transaction.read(request, TODAY)
    return earlier


@pytest.mark.parametrize(
    "application", [APPLICATION, TOO_MUCH, APPLICATION._replace(highest_interest_rate=Decimal("9.5"))]
)
def test_a_decision_is_kept_to_the_last_digit(application: LoanApplication) -> None:
    request = LoanRequest(application, "r1", KEY)
    with wiring.loan_store().transaction(ASHA) as transaction:
        _, record = transaction.read(request, TODAY)
        decision = decide(application, assess(record, TODAY, POLICY))
        loan = transaction.add_loan(request, decision, TODAY, date(2025, 6, 15)) if decision.approved else None
        if loan is None:
            transaction.add_decline(request, decision)
        transaction.commit()

    assert kept(request) == EarlierResult(application, decision, loan, "r1")
    assert loan is None or loan.end_date == date(2025, 6, 15)


def test_what_was_decided_before_answers_were_kept_says_so(database: Database) -> None:
    database.execute(
        "INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date, end_date,"
        " status, request_id, idempotency_key, asked_interest_rate, credit_score)"
        " VALUES (1001, 100000, 12, 12, 8884.88, '2024-01-15', '2025-01-15', 'APPROVED', 'r0', %s, 8, 48)",
        [KEY],
    )

    earlier = kept(LoanRequest(APPLICATION, "r1", KEY))

    assert earlier is not None
    assert earlier.application == APPLICATION
    assert earlier.decision[4:] == (None, None, None, POLICY.weights)
    assert earlier.decision.monthly_installment == Decimal("8884.88")


def test_a_key_in_an_older_form_is_found(database: Database) -> None:
    database.execute(
        "INSERT INTO declined_requests (idempotency_key, customer_id, loan_amount, tenure, asked_interest_rate,"
        " credit_score, interest_rate, monthly_installment, reason_codes, request_id)"
        " VALUES (%s, 1001, 100000, 12, 8, 0, 8, 8698.84, 'CREDIT_SCORE_TOO_LOW', 'r0')",
        [KEY],
    )

    earlier = kept(LoanRequest(APPLICATION, "r1", b"n" * 32, KEY))

    assert earlier is not None
    assert (earlier.request_id, earlier.loan) == ("r0", None)
