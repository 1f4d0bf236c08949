"""Twenty processes post the same body with the same Idempotency-Key at once."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pymysql
from pymysql.cursors import Cursor

from testkit.environments import Environment, create_loan
from testkit.service import Answer
from tests.money.borrowers import APPLICATION, add_borrowers, loans_of

FIRST_CUSTOMER = 2_000_001
SALARY_FOR_MANY = Decimal(9_000_000)
COME_AGAIN = {409, 503}
PATIENCE_SECONDS = 30


@dataclass
class Report:
    """The outcome for the keys."""

    keys: int
    answers: Counter[str] = field(default_factory=Counter)
    """How often each status was answered."""
    lent_again: list[int] = field(default_factory=list)
    """The customers who got no loan, or more than one."""
    unequal: list[int] = field(default_factory=list)
    """The customers whose calls did not all get the same response, once as the first and otherwise as a replay."""

    def __str__(self) -> str:
        return (
            f"duplicates: {self.keys} keys, answers {dict(sorted(self.answers.items()))},"
            f" {len(self.lent_again)} not lent to exactly once, {len(self.unequal)} not answered alike"
        )


def run(connection: "pymysql.Connection[Cursor]", environments: Sequence[Environment], keys: int) -> Report:
    """Let all environments post the same request for each of this many customers, with one key per customer."""
    report = Report(keys)
    customers = range(FIRST_CUSTOMER, FIRST_CUSTOMER + keys)
    add_borrowers(connection, customers, SALARY_FOR_MANY)
    answered = {customer_id: _post(environments, customer_id, report.answers) for customer_id in customers}

    made = loans_of(connection, customers)
    for customer_id, answers in answered.items():
        if len(made[customer_id]) != 1:
            report.lent_again.append(customer_id)
        first = [answer for answer in answers if not _replayed(answer)]
        alike = all((answer.status, answer.body) == (201, answers[0].body) for answer in answers)
        if len(first) != 1 or not alike or [answers[0].body["loan_id"]] != made[customer_id]:
            report.unequal.append(customer_id)
    return report


def _post(environments: Sequence[Environment], customer_id: int, counts: Counter[str]) -> list[Answer]:
    """Post from all environments at once, and again from those that are told to retry."""
    answers: list[Answer] = []
    waiting = list(environments)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Still told to come again: {len(waiting)} callers of customer {customer_id}.")
        for environment in waiting:
            environment.begin(create_loan, {"customer_id": customer_id} | APPLICATION, f"key of {customer_id}")
        latest = [(environment, environment.result()) for environment in waiting]
        counts.update(f"{answer.status} replayed" if _replayed(answer) else str(answer.status) for _, answer in latest)
        answers += [answer for _, answer in latest if answer.status not in COME_AGAIN]
        waiting = [environment for environment, answer in latest if answer.status in COME_AGAIN]
        if waiting:
            time.sleep(1)  # as Retry-After asks
    return answers


def _replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"
