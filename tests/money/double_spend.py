"""Twenty processes ask for a loan for the same customer at once, and the salary only allows one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pymysql
from pymysql.cursors import Cursor

from lending.adapters import mysql_loans
from testkit.environments import Environment, create_loan
from testkit.service import Answer
from tests.money.borrowers import APPLICATION, SALARY_FOR_ONE, add_borrowers, loans_of

FIRST_CUSTOMER = 1_000_001


@dataclass
class Report:
    """The outcome of the rounds."""

    rounds: int
    answers: Counter[int] = field(default_factory=Counter)
    """How often each status was answered."""
    overspent: list[int] = field(default_factory=list)
    """The customers who got more than one loan."""
    untrue: list[int] = field(default_factory=list)
    """The customers whose loans differ from the answers, or who got none."""

    def __str__(self) -> str:
        return (
            f"double spend: {self.rounds} rounds, answers {dict(sorted(self.answers.items()))},"
            f" {len(self.overspent)} overspent, {len(self.untrue)} answered untruly"
        )


def run(connection: "pymysql.Connection[Cursor]", environments: Sequence[Environment], rounds: int) -> Report:
    """Let the environments race for each customer's one loan; every other round with a key for each call."""
    report = Report(rounds)
    customers = range(FIRST_CUSTOMER, FIRST_CUSTOMER + rounds)
    add_borrowers(connection, customers, SALARY_FOR_ONE)
    answered = {customer_id: _race(environments, customer_id) for customer_id in customers}

    made = loans_of(connection, customers)
    for customer_id, answers in answered.items():
        report.answers.update(answer.status for answer in answers)
        acknowledged = [answer.body["loan_id"] for answer in answers if answer.status == 201]
        if len(made[customer_id]) > 1:
            report.overspent.append(customer_id)
        if not made[customer_id] or sorted(acknowledged) != made[customer_id]:
            report.untrue.append(customer_id)
    return report


def drop_the_lock() -> None:
    """Make an environment look for the customer without locking; a control that must overspend."""
    mysql_loans.LOCK_CUSTOMER = mysql_loans.LOCK_CUSTOMER.replace("FOR UPDATE", "")


def _race(environments: Sequence[Environment], customer_id: int) -> list[Answer]:
    for number, environment in enumerate(environments):
        key = f"{customer_id}-{number}" if customer_id % 2 else None
        environment.begin(create_loan, {"customer_id": customer_id} | APPLICATION, key)
    return [environment.result() for environment in environments]
