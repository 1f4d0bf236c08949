"""Records what clients were told and what happened to them, and compares it with the loans that exist."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from testkit.service import Answer
from tests.money.borrowers import APPLICATION
from tests.money.faults import LOSES_THE_REPLY, Event, Fault

CONFLICT = "409 /problems/request-in-progress"
UNAVAILABLE = "503 /problems/store-unavailable"
UNKNOWN = "500 /problems/outcome-unknown"
KILLED = "none: killed"
FORESEEN = {"200", "200 replayed", "201", "201 replayed", CONFLICT, UNAVAILABLE, UNKNOWN, KILLED}

Row = tuple[Any, ...]
LOANS_MADE = """
SELECT loan_amount, loan_id, customer_id, tenure, interest_rate, monthly_repayment
  FROM loans WHERE request_id IS NOT NULL
"""


@dataclass
class Request:
    """One request of a client, identified by its amount, with its responses and events."""

    customer_id: int
    loan_amount: Decimal
    key: str | None
    answers: list[Answer] = field(default_factory=list)
    """The final responses: the loan or the decline."""
    uncertain: bool = False
    """Whether the client had no key to retry with, and does not know the outcome."""
    course: list[str] = field(default_factory=list)
    """The events, for the person who must find out why."""

    @property
    def body(self) -> Mapping[str, object]:
        """The body to post."""
        return APPLICATION | {"customer_id": self.customer_id, "loan_amount": self.loan_amount}

    def note(self, answer: Answer | None, struck: Iterable[Fault]) -> None:
        """Record the response to a post; None if the handler was killed."""
        self.course.append(f"{outcome(answer)} after {[fault.event.name for fault in struck]}")
        if answer is not None and answer.status in {200, 201}:
            self.answers.append(answer)
        elif self.key is None and outcome(answer) in {UNKNOWN, KILLED}:
            self.uncertain = True

    def breach(self, loans: list[Row]) -> str | None:
        """Return what is wrong with the loans of this amount, given what the client was told."""
        if len(loans) > 1:
            return "lent more than once"
        if self.uncertain:
            return None
        first, *others = self.answers
        if any(other.body != first.body for other in others):
            return "twins were answered differently"
        told = []
        if first.status == 201:
            rate, installment = first.body["corrected_interest_rate"], first.body["monthly_installment"]
            told = [(first.body["loan_id"], self.customer_id, APPLICATION["tenure"], rate, installment)]
        return None if loans == told else "the answer and the loan differ"


@dataclass
class Tally:
    """Counts of the events."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[Event] = field(default_factory=Counter)
    at_commit: int = 0
    resolved: int = 0
    """Posts that got no reply to their COMMIT and found out its outcome themselves."""

    def count(self, answer: Answer | None, struck: list[Fault]) -> None:
        """Count a post."""
        self.answers[outcome(answer)] += 1
        self.faults.update(fault.event for fault in struck)
        self.at_commit += sum(fault.at_commit for fault in struck)
        unknown = any(fault.at_commit and fault.event in LOSES_THE_REPLY for fault in struck)
        self.resolved += unknown and answer is not None and answer.status in {200, 201}

    def add(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.answers += other.answers
        self.faults += other.faults
        self.at_commit += other.at_commit
        self.resolved += other.resolved

    def __str__(self) -> str:
        faults = "".join(f"\n    {self.faults[event]:6} {event.value}" for event in Event)
        answers = "".join(f"\n    {count:6} {answer}" for answer, count in sorted(self.answers.items()))
        return (
            f"  {self.faults.total()} faults, {self.at_commit} of them at a COMMIT:{faults}\n"
            f"  {self.answers.total()} posts, answered:{answers}\n"
            f"  {self.resolved} unknown outcomes of a COMMIT found out by the same request"
        )


@dataclass(frozen=True)
class Report:
    """The counts, and everything that must not happen."""

    histories: int
    requests: int
    keyed: int
    tally: Tally
    loans: int
    acknowledged: int
    unacknowledged: int
    """Loans whose clients had no key and do not know the outcome."""
    violations: list[str]

    def __str__(self) -> str:
        return (
            f"{self.histories} histories, {self.requests} requests, {self.keyed} of them with a key\n{self.tally}\n"
            f"  {self.loans} loans, {self.acknowledged} acknowledged,"
            f" {self.unacknowledged} of clients left not knowing\n"
            f"  {len(self.violations)} violations"
        )


def hold_against(histories: int, requests: list[Request], tally: Tally, rows: Iterable[Row]) -> Report:
    """Compare the responses to the clients with the loans that exist."""
    loans: dict[Decimal, list[Row]] = {}
    for loan_amount, *rest in rows:
        loans.setdefault(loan_amount, []).append(tuple(rest))
    breaches = [(request.breach(loans.get(request.loan_amount, [])), request) for request in requests]
    asked_for = {request.loan_amount for request in requests}
    return Report(
        histories=histories,
        requests=len(requests),
        keyed=sum(request.key is not None for request in requests),
        tally=tally,
        loans=sum(len(same) for same in loans.values()),
        acknowledged=sum(any(answer.status == 201 for answer in request.answers) for request in requests),
        unacknowledged=sum(len(loans.get(request.loan_amount, [])) for request in requests if request.uncertain),
        violations=[
            *(f"{breach}: {request}" for breach, request in breaches if breach is not None),
            *(f"a loan that nobody asked for: {loans[amount]}" for amount in loans.keys() - asked_for),
            *(f"not to be answered: {answer}" for answer in tally.answers.keys() - FORESEEN),
        ],
    )


def outcome(answer: Answer | None) -> str:
    """Return the name under which a response is counted."""
    if answer is None:
        return KILLED
    if "type" in answer.body:
        return f"{answer.status} {answer.body['type']}"
    replayed = answer.headers.get("idempotency-replayed") == "true"
    return f"{answer.status} replayed" if replayed else str(answer.status)
