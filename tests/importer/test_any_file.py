"""Files in random dialects, date forms and number forms either load to the same database or are refused by name."""

import csv
import io
import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from testkit.database import Database
from tests.importer.importing import Importer, Row
from tests.importer.test_imports import CUSTOMERS, LOANS

TITLES: dict[str, list[str]] = {
    "customer_id": ["customer_id", "Customer ID", "CustomerId", "CUSTOMER_ID", "Customer No."],
    "first_name": ["first_name", "First Name", "FirstName"],
    "last_name": ["last_name", "Surname", "LastName"],
    "age": ["age", "Age", "Age (years)"],
    "phone_number": ["phone_number", "PhoneNumber", "Mobile No"],
    "monthly_salary": ["monthly_salary", "MonthlySalary", "Monthly Income (INR)"],
    "approved_limit": ["approved_limit", "Approved Limit", "Credit Limit"],
    "external_loan_id": ["external_loan_id", "Loan ID", "LoanId", "Loan No."],
    "loan_amount": ["loan_amount", "Loan Amount", "Principal"],
    "tenure": ["tenure", "Tenure", "Tenure (months)"],
    "interest_rate": ["interest_rate", "Interest Rate", "Rate (%)"],
    "monthly_repayment": ["monthly_repayment", "Monthly payment", "EMI"],
    "emis_paid_on_time": ["emis_paid_on_time", "EMIs paid on Time", "EMIsOnTime"],
    "start_date": ["start_date", "Date of Approval", "StartDate"],
    "end_date": ["end_date", "End Date", "Maturity Date"],
    "status": ["status", "Status", "Loan Status"],
}
DATES: list[Callable[[date], str]] = [
    date.isoformat,
    lambda day: f"{day:%Y/%m/%d}",
    lambda day: f"{day:%d/%m/%Y}",
    lambda day: f"{day.day}/{day.month}/{day.year}",
    lambda day: f"{day.month}/{day.day}/{day.year}",
    lambda day: f"{day:%m-%d-%Y}",
    lambda day: f"{day:%d.%m.%Y}",
    lambda day: f"{day:%d-%b-%Y}",
    lambda day: f"{day:%b %d, %Y}",
    lambda day: f"{day:%Y-%m-%d} 00:00:00",
    lambda day: f"{day:%Y-%m-%d}T00:00:00.000Z",
    lambda day: str((day - date(1899, 12, 30)).days),
]
NUMBERS: list[Callable[[Decimal], str]] = [
    str,
    lambda number: f"{number:,}",
    lambda number: f"{number:,.2f}",
    lambda number: f"{number:.4f}",
    lambda number: f"{number:.1f}" if number == int(number) else str(number),
    lambda number: f"{number:,}".translate(str.maketrans(",.", ".,")),
    lambda number: f"{number:,.2f}".translate(str.maketrans(",.", ".,")),
    lambda number: f"{number:,.2f}".replace(",", " "),
    lambda number: f"{number:,.2f}".replace(",", " ").replace(".", ","),
    lambda number: f"$ {number:,}",
    lambda number: f"{number:,.2f} EUR",
]
STATUSES = {"APPROVED": ["APPROVED", "Active", "open"], "PENDING": ["PENDING", "Pending"], "PAID": ["PAID", "Closed"]}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]


def portfolio(chance: random.Random) -> tuple[list[Row], list[Row]]:
    """Return a few customers and loans; sometimes with nothing in them that tells one form from another."""
    plain = chance.random() < 0.3

    def day() -> date:
        return date(chance.randint(2015, 2023), chance.randint(1, 12), chance.randint(1, 12 if plain else 28))

    def amount() -> Decimal:
        return Decimal(chance.randrange(1, 900) * (1000 if plain else 1)) + (
            0 if plain else Decimal(chance.randrange(100)) / 100
        )

    customers: list[Row] = [
        {"customer_id": i, "first_name": chance.choice(["Zoë", "José", "Asha"]), "last_name": "O'Neil, Jr",
         "age": 30 + i, "phone_number": f"555000{i}", "monthly_salary": amount(), "approved_limit": amount() * 10}
        for i in range(1, chance.randint(2, 5))
    ]  # fmt: skip
    loans: list[Row] = []
    for i in range(chance.randint(1, 12)):
        start, tenure = day(), chance.randint(1, 60)
        loans.append(
            {"customer_id": chance.choice(customers)["customer_id"],
             "external_loan_id": f"{chance.choice(['LN', ''])}{100 + i}",
             "loan_amount": amount(), "tenure": tenure, "interest_rate": Decimal(chance.randrange(0, 3000)) / 100,
             "monthly_repayment": amount(), "emis_paid_on_time": chance.randint(0, tenure), "start_date": start,
             "end_date": start + timedelta(30 * tenure), "status": chance.choice(list(STATUSES))}
        )  # fmt: skip
    return customers, loans


def as_kept(rows: list[Row], chance: random.Random) -> list[dict[str, str]]:
    """Return the rows as somebody keeps them."""
    titles = {name: chance.choice(TITLES[name]) for name in rows[0]}
    as_date, as_number = chance.choice(DATES), chance.choice(NUMBERS)
    decimals: list[Callable[[object], str]] = [str, lambda number: f"{number}.0"]
    whole = chance.choice(decimals) if "," not in as_number(Decimal("0.5")) else str

    def cell(value: object) -> str:
        if isinstance(value, date):
            return as_date(value)
        if isinstance(value, Decimal):
            return as_number(value)
        if value in STATUSES:
            return chance.choice(STATUSES[str(value)])
        return whole(value) if type(value) is int else str(value)

    kept = [{titles[name]: cell(value) for name, value in row.items()} for row in rows]
    order = list(kept[0])
    chance.shuffle(order)
    return [{title: row[title] for title in order} for row in kept]


def write(path: Path, rows: list[Row], chance: random.Random) -> Path:
    """Write the rows to a file of some sort."""
    if chance.random() < 0.2:
        return write_workbook(path.with_suffix(".xlsx"), rows, chance)
    kept = as_kept(rows, chance)
    text = io.StringIO()
    delimiter, end = chance.choice(",;\t|"), chance.choice(["\n", "\r\n", "\r"])
    writer = csv.writer(
        text, delimiter=delimiter, lineterminator=end, quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    )
    if chance.random() < 0.2:
        text.write(f"sep={delimiter}{end}")
    extra = ["Branch"] if chance.random() < 0.3 else []
    writer.writerow([*kept[0], *extra])
    for row in kept:
        writer.writerow([*row.values(), *extra])
        if chance.random() < 0.1:
            text.write(delimiter * (len(row) - 1) + end)
    path.write_bytes(text.getvalue().encode(chance.choice(ENCODINGS)))
    return path


def write_workbook(path: Path, rows: list[Row], chance: random.Random) -> Path:
    book = Workbook()
    sheet: Any = book.active
    sheet.append([chance.choice(TITLES[name]) for name in rows[0]])
    for row in rows:
        sheet.append([float(value) if isinstance(value, Decimal) else value for value in row.values()])
    sheet.append([None])
    book.save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(min_value=0))
def test_a_file_of_any_sort_loads_to_the_same_database_or_is_refused_by_name(
    importer: Importer, database: Database, folder: Path, seed: int
) -> None:
    chance = random.Random(seed)
    customers, loans = portfolio(chance)
    database.clear()

    outcome = importer.run(
        write(folder / "c.csv", customers, chance), write(folder / "l.csv", loans, chance), today="2023-06-15"
    )

    event("loaded" if outcome.status == 0 else "refused")
    if outcome.status == 0:
        assert database.execute(CUSTOMERS) == tuple((*row.values(), 0) for row in customers)
        expected = sorted(tuple(row.values()) for row in loans)
        assert sorted(database.execute(LOANS)) == expected
    else:
        assert any(form in outcome.err for form in ("fits more than one form", "tells which", "of two forms")), outcome
        assert database.execute("SELECT COUNT(*) FROM loans") == ((0,),)
