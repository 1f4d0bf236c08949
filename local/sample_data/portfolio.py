"""The whole sample: the characters first, then as many random customers as asked for."""

from collections.abc import Iterator
from datetime import date

from local.sample_data.characters import CHARACTERS, characters
from local.sample_data.lives import random_customers
from local.sample_data.records import FIRST_CUSTOMER_ID, CustomerWithLoans

SAMPLE_CUSTOMERS = 1000


def sample_portfolio(today: date, customers: int = SAMPLE_CUSTOMERS) -> Iterator[CustomerWithLoans]:
    """Yield customers 1001, 1002, ... each with their loans, one at a time however many there are."""
    yield from characters(today)
    yield from random_customers(range(FIRST_CUSTOMER_ID + len(CHARACTERS), FIRST_CUSTOMER_ID + customers), today)
