"""The first ten sample customers: made by hand, one for each answer the service can give.

| id   | who                      | score | asked for 100000 at 8 % over 12 months                                 |
|------|--------------------------|-------|------------------------------------------------------------------------|
| 1001 | pays well                | 64    | approved at 8 %                                                        |
| 1002 | on the edge of a slab    | 50    | approved at 12 %: an edge belongs to the dearer slab                   |
| 1003 | often pays late          | 25    | approved at 16 %                                                       |
| 1004 | hardly pays              | 8     | declined, `CREDIT_SCORE_TOO_LOW`                                       |
| 1005 | first salary, no loan    | 0     | declined, `NO_CREDIT_HISTORY`                                          |
| 1006 | owes more than the limit | 0     | declined, `DEBT_OVER_APPROVED_LIMIT`                                   |
| 1007 | salary all spoken for    | 64    | declined, `INSTALLMENTS_OVER_HALF_SALARY`                              |
| 1008 | affords it to the cent   | 64    | approved; at 12 % just affordable, at 12.01 % no more                  |
| 1009 | undone by the floor rate | 46    | declined, `INSTALLMENTS_OVER_HALF_SALARY`: affordable at 8 %, but not  |
|      |                          |       | at the 12 % that the score asks for                                    |
| 1010 | all at once              | 0     | declined, `DEBT_OVER_APPROVED_LIMIT`, `INSTALLMENTS_OVER_HALF_SALARY`  |

These answers are the same on whatever day the sample is made and for ten years after it, so that the README can print
them: no loan starts in the year of the sample, the repaid ones ended in years before it, the current ones end late.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from local.sample_data.records import (
    FIRST_CUSTOMER_ID,
    Customer,
    CustomerWithLoans,
    Loan,
    current_debt,
    loan_record,
    phone_number,
)


class PastLoan(NamedTuple):
    """What tells one loan of a character from another."""

    loan_amount: int
    interest_rate: str
    tenure: int
    emis_paid_on_time: int
    years_ago: int
    """Calendar years between the loan's start and the sample; at least 1."""


class Character(NamedTuple):
    """A customer made by hand."""

    first_name: str
    last_name: str
    age: int
    monthly_salary: str
    approved_limit: int
    loans: tuple[PastLoan, ...]


# Ends 17 years after the sample is made and costs 4339.12 a month.
_MORTGAGE = PastLoan(500_000, "8.5", tenure=240, emis_paid_on_time=30, years_ago=3)
_PAYS_WELL = (
    _MORTGAGE,
    *(PastLoan(100_000, "9.5", tenure=24, emis_paid_on_time=24, years_ago=years) for years in range(5, 14)),
)
# With the ten at 3 installments of 21 paid on time, 35 x 30/210 + 20 + 25 is exactly 50.
_ON_THE_EDGE = tuple(PastLoan(100_000, "10", tenure=21, emis_paid_on_time=3, years_ago=years) for years in range(4, 14))
_OFTEN_LATE = tuple(PastLoan(100_000, "14", tenure=24, emis_paid_on_time=8, years_ago=years) for years in (5, 7, 9))
_HARDLY_PAYS = (PastLoan(50_000, "15.5", tenure=24, emis_paid_on_time=3, years_ago=4),)
_TOO_LARGE = PastLoan(1_200_000, "11", tenure=240, emis_paid_on_time=20, years_ago=3)
_SHORT_BUT_GOOD = _PAYS_WELL[:5]

# Half the salary less the mortgage leaves 8884.88 to Hana: the installment of 100000 at 12 % over 12 months. It leaves
# 8800.00 to Ivan: between the installments at 8 % (8698.84) and at 12 %.
CHARACTERS = (
    Character("Asha", "Rao", 41, "150000", 5_400_000, _PAYS_WELL),
    Character("Bruno", "Costa", 52, "120000", 4_300_000, _ON_THE_EDGE),
    Character("Chen", "Lin", 33, "90000", 3_200_000, _OFTEN_LATE),
    Character("Dina", "Haddad", 29, "80000", 2_900_000, _HARDLY_PAYS),
    Character("Emil", "Novak", 22, "60000", 2_200_000, ()),
    Character("Fatou", "Diop", 47, "400000", 1_000_000, (_TOO_LARGE, *_PAYS_WELL)),
    Character("Goran", "Petrov", 58, "8600", 900_000, _PAYS_WELL),
    Character("Hana", "Sato", 37, "26448.00", 1_000_000, _PAYS_WELL),
    Character("Ivan", "Horvat", 44, "26278.24", 1_000_000, _SHORT_BUT_GOOD),
    Character("Jana", "Kral", 39, "20000", 1_000_000, (_TOO_LARGE, *_PAYS_WELL)),
)


def characters(today: date) -> Iterator[CustomerWithLoans]:
    """Yield the characters with their loans, their years counted back from today's."""
    for customer_id, character in enumerate(CHARACTERS, start=FIRST_CUSTOMER_ID):
        loans = [_loan(customer_id, number, past, today) for number, past in enumerate(character.loans, start=1)]
        customer = Customer(
            customer_id=customer_id,
            first_name=character.first_name,
            last_name=character.last_name,
            age=character.age,
            phone_number=phone_number(customer_id),
            monthly_salary=Decimal(character.monthly_salary),
            approved_limit=Decimal(character.approved_limit),
            current_debt=current_debt(loans),
        )
        yield customer, loans


def _loan(customer_id: int, number: int, past: PastLoan, today: date) -> Loan:
    return loan_record(
        customer_id=customer_id,
        number=number,
        loan_amount=Decimal(past.loan_amount),
        interest_rate=Decimal(past.interest_rate),
        tenure=past.tenure,
        emis_paid_on_time=past.emis_paid_on_time,
        # The 5th is in every month: no end of a tenure is ever cut short.
        start_date=date(today.year - past.years_ago, number, 5),
        today=today,
    )
