"""The ports in memory: the loan rules in plain Python, and a cache that follows the protocol."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from lending.adapters.keyspace import Keyspace
from lending.adapters.policy_files import FOLDER, read_policies
from lending.domain.eligibility import Decision
from lending.domain.loans import CreditRecord, LoanMade, LoanRequest
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile
from lending.errors import CustomerNotFoundError, StoreUnavailableError
from lending.ports import MARKER, BypassReason, EarlierResult, Fill, Invalidation, LookUp, Reading
from lending.use_cases.cache_write import marker_of

KEYSPACE = Keyspace(database=0, prefix="", mark="test")
"""Of doubles of Redis, which have one database."""

POLICY = read_policies(FOLDER)[0].policy
"""The first of the layer."""


class Loan(NamedTuple):
    """The columns of the table loans that the rules read."""

    loan_amount: Decimal
    tenure: int
    monthly_repayment: Decimal
    emis_paid_on_time: int
    start_date: date
    end_date: date
    status: str


class Customer(NamedTuple):
    """The columns of the table customers that the rules read."""

    monthly_salary: Decimal
    approved_limit: Decimal
    on_hold: bool = False


def a_loan(**fields: Any) -> Loan:
    """Return a loan that was repaid long ago; `fields` changes it."""
    repaid = Loan(
        loan_amount=Decimal(100000),
        tenure=12,
        monthly_repayment=Decimal("8884.88"),
        emis_paid_on_time=12,
        start_date=date(2020, 1, 15),
        end_date=date(2021, 1, 15),
        status="PAID",
    )
    return repaid._replace(**fields)


def credit_record(customer_id: int, customer: Customer, loans: list[Loan], today: date) -> CreditRecord:
    """Return what the store's one SELECT should return."""
    current = [loan for loan in loans if loan.status in {"APPROVED", "PENDING"} and loan.end_date >= today]
    return CreditRecord(
        customer_id=customer_id,
        monthly_salary=customer.monthly_salary,
        approved_limit=customer.approved_limit,
        on_hold=customer.on_hold,
        loans=len(loans),
        emis_paid_on_time=sum(loan.emis_paid_on_time for loan in loans),
        tenure_months=sum(loan.tenure for loan in loans),
        loans_this_year=sum(loan.start_date.year == today.year for loan in loans),
        lent_amount=sum((loan.loan_amount for loan in loans if loan.status in {"APPROVED", "PAID"}), Decimal(0)),
        current_amount=sum((loan.loan_amount for loan in current), Decimal(0)),
        current_installments=sum((loan.monthly_repayment for loan in current), Decimal(0)),
        first_current_end=min((loan.end_date for loan in current), default=None),
    )


@dataclass
class FakeLoanStore:
    """LoanStore in memory. `away` makes it unavailable, `reads` counts the records that it returned."""

    customers: dict[int, Customer] = field(default_factory=dict)
    loans: dict[int, list[Loan]] = field(default_factory=dict)
    answers: list[tuple[LoanRequest, EarlierResult]] = field(default_factory=list)
    invalidations: list[Invalidation] = field(default_factory=list)
    away: bool = False
    from_writer: bool = True
    reads: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def credit_record(self, customer_id: int, today: date) -> Reading:
        if self.away:
            raise StoreUnavailableError
        if customer_id not in self.customers:
            raise CustomerNotFoundError(customer_id)
        self.reads += 1
        record = credit_record(customer_id, self.customers[customer_id], self.loans.get(customer_id, []), today)
        return Reading(record, self.from_writer)

    def credit_records(self, customer_ids: Sequence[int], today: date) -> list[CreditRecord]:
        return [self.credit_record(c, today).record for c in customer_ids if c in self.customers]

    @contextmanager
    def transaction(self, customer_id: int) -> Iterator["FakeTransaction"]:
        if self.away:
            raise StoreUnavailableError
        transaction = FakeTransaction(self)
        transaction.lock(customer_id)
        yield transaction


class FakeTransaction:
    """LoanTransaction in memory. Its loans count after its commit."""

    def __init__(self, store: FakeLoanStore) -> None:
        self._store = store
        self._loans: list[tuple[int, Loan]] = []
        self._answers: list[tuple[LoanRequest, EarlierResult]] = []
        self._invalidations: list[Invalidation] = []

    def lock(self, customer_id: int) -> None:
        if customer_id not in self._store.customers:
            raise CustomerNotFoundError(customer_id)

    def read(self, request: LoanRequest, today: date) -> tuple[EarlierResult | None, CreditRecord]:
        earlier = next(
            (a for r, a in self._store.answers if r.idempotency_key == request.idempotency_key is not None), None
        )
        return earlier, self._store.credit_record(request.application.customer_id, today).record

    def result_of_request(self, customer_id: int, request_id: str) -> EarlierResult | None:
        made = (answer for request, answer in self._store.answers if request.request_id == request_id)
        return next((a for a in made if a.application.customer_id == customer_id and a.loan is not None), None)

    def add_loan(self, request: LoanRequest, decision: Decision, start: date, end: date) -> LoanMade:
        application = request.application
        loan = Loan(
            loan_amount=application.loan_amount,
            tenure=application.tenure,
            monthly_repayment=decision.monthly_installment,
            emis_paid_on_time=0,
            start_date=start,
            end_date=end,
            status="APPROVED",
        )
        made = LoanMade(next(self._store._ids), start, end)
        self._loans.append((application.customer_id, loan))
        self._answers.append((request, EarlierResult(application, decision, made, request.request_id)))
        # As the database's trigger does.
        self._invalidations.append(Invalidation(application.customer_id, (marker_of(request.request_id),)))
        return made

    def add_decline(self, request: LoanRequest, decision: Decision) -> None:
        self._answers.append((request, EarlierResult(request.application, decision, None, request.request_id)))

    def commit(self) -> None:
        self._store.invalidations.extend(self._invalidations)
        for customer_id, loan in self._loans:
            self._store.loans.setdefault(customer_id, []).append(loan)
        self._store.answers.extend(self._answers)


@dataclass
class FakeScoreCache:
    """ScoreCache in memory; `away` makes it answer nothing."""

    held: dict[int, CreditProfile | bytes] = field(default_factory=dict)
    away: bool = False
    _tokens: Iterator[int] = field(default_factory=lambda: count(1))

    def look_up(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        if self.away:
            return LookUp(None, bypass=BypassReason.UNAVAILABLE)
        held = self.held.get(customer_id)
        if isinstance(held, CreditProfile) and held.policy == policy and held.as_of <= today <= held.valid_through:
            return LookUp(held)
        if isinstance(held, bytes):
            return LookUp(None)
        lease = b"lease:%d" % next(self._tokens)
        self.held[customer_id] = lease
        return LookUp(None, lease=lease)

    def peek(self, customer_id: int, today: date, policy: Policy) -> LookUp:
        if self.away:
            return LookUp(None, bypass=BypassReason.UNAVAILABLE)
        held = self.held.get(customer_id)
        valid = isinstance(held, CreditProfile) and held.policy == policy and held.as_of <= today <= held.valid_through
        return LookUp(held if valid and isinstance(held, CreditProfile) else None)

    def fill(self, lease: bytes, profile: CreditProfile) -> Fill:
        if self.away:
            return Fill.FAILED
        if self.held.get(profile.customer_id) != lease:
            return Fill.TOO_LATE
        self.held[profile.customer_id] = profile
        return Fill.STORED

    def begin_write(self, customer_id: int, marker: bytes) -> None:
        if not self.away:
            self.held[customer_id] = marker  # which does not take its time

    def confirm_write(self, customer_id: int, marker: bytes) -> bool:
        if not self.away:
            self.held[customer_id] = marker
        return not self.away

    def finish_write(self, customer_id: int, marker: bytes, *, wait: bool = True) -> bool:
        held = self.held.get(customer_id)
        another_writes = isinstance(held, bytes) and held.startswith(MARKER) and held != marker
        if not self.away and not another_writes:
            self.held.pop(customer_id, None)
        return wait and not self.away

    def retract_write(self, customer_id: int, marker: bytes) -> None:
        if not self.away and self.held.get(customer_id) == marker:
            del self.held[customer_id]
