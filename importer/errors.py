"""What can go wrong in an import.

ImportFailedError          nothing was imported
└── BrokenFileError        a file cannot be read as what it should be
UnknownOutcomeError        everything was imported or nothing: the answer to COMMIT was lost
ScoresNotDroppedError      the import stands, but scores from before it are still cached
RejectedRowError           one row is left out; the import goes on
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a row was rejected."""

    WRONG_NUMBER_OF_FIELDS = "WRONG_NUMBER_OF_FIELDS"
    BAD_NUMBER = "BAD_NUMBER"
    BAD_DATE = "BAD_DATE"
    BAD_NAME = "BAD_NAME"
    BAD_PHONE_NUMBER = "BAD_PHONE_NUMBER"
    BAD_STATUS = "BAD_STATUS"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    PAID_MORE_THAN_TENURE = "PAID_MORE_THAN_TENURE"
    END_BEFORE_START = "END_BEFORE_START"
    # What only a look at the other rows and the database can tell: judged in SQL, by these names.
    REPEATED_CUSTOMER_ID = "REPEATED_CUSTOMER_ID"
    PHONE_NUMBER_TAKEN = "PHONE_NUMBER_TAKEN"
    REPEATED_LOAN_ID = "REPEATED_LOAN_ID"
    UNKNOWN_CUSTOMER = "UNKNOWN_CUSTOMER"
    LOAN_OF_ANOTHER_CUSTOMER = "LOAN_OF_ANOTHER_CUSTOMER"


class ImportFailedError(Exception):
    """Nothing was imported; the message says why."""


class BrokenFileError(ImportFailedError):
    """A file cannot be read, is not CSV in UTF-8, or has not the columns it needs."""


class UnknownOutcomeError(Exception):
    """The connection was lost during COMMIT: everything was imported, or nothing."""


class ScoresNotDroppedError(Exception):
    """The import stands, but scores from before it are cached until the next refresh."""


class RejectedRowError(Exception):
    """A row cannot be imported."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Take the reason and what exactly is wrong, for the reader of the rejects file."""
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
