"""What a cell may be instead of a plain value."""

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a row was rejected."""

    WRONG_NUMBER_OF_FIELDS = "WRONG_NUMBER_OF_FIELDS"
    MISSING = "MISSING"
    BAD_NUMBER = "BAD_NUMBER"
    BAD_DATE = "BAD_DATE"
    BAD_ID = "BAD_ID"
    BAD_STATUS = "BAD_STATUS"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    PAID_MORE_THAN_TENURE = "PAID_MORE_THAN_TENURE"
    END_BEFORE_START = "END_BEFORE_START"
    # What only a look at the other rows and the database can tell: judged in SQL, by these names.
    REPEATED_CUSTOMER_ID = "REPEATED_CUSTOMER_ID"
    REPEATED_LOAN_ID = "REPEATED_LOAN_ID"
    UNKNOWN_CUSTOMER = "UNKNOWN_CUSTOMER"
    UNKNOWN_LOAN = "UNKNOWN_LOAN"
    ANOTHER_EXTERNAL_ID = "ANOTHER_EXTERNAL_ID"
    EXTERNAL_ID_TAKEN = "EXTERNAL_ID_TAKEN"


class Fault(NamedTuple):
    """What is wrong with a cell or a row."""

    reason: Reason
    detail: str


class Unreadable(NamedTuple):
    """What stands in a cell that decides nothing, and could not be kept."""

    text: str


class Rounded(str):
    """A number that had more decimals than are kept."""

    __slots__ = ()


class Cut(str):
    """A text that was longer than what is kept."""

    __slots__ = ()
