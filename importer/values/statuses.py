"""What lenders call the three statuses of a loan."""

from collections.abc import Mapping

from importer.errors import BrokenFileError
from importer.reading.titles import bare

STATUSES = ("APPROVED", "PENDING", "PAID")
CALLED = {
    "APPROVED": (
        *(
            "active",
            "open",
            "current",
            "running",
            "ongoing",
            "live",
            "disbursed",
            "inprogress",
            "performing",
            "overdue",
        ),
        *("delinquent", "default", "defaulted", "arrears", "inarrears", "npa", "nonperforming"),
    ),
    "PENDING": ("requested", "applied", "inreview", "underreview", "awaitingdisbursement", "sanctioned", "new"),
    "PAID": (
        *("closed", "paidoff", "paidup", "paidinfull", "fullypaid", "repaid", "settled", "completed", "complete"),
        *("finished", "foreclosed", "matured", "cleared"),
    ),
}
"""A loan in default is one that runs: the rules hold what is owed against the customer, whoever is late."""


def meanings(given: Mapping[str, str]) -> dict[str, str]:
    """Return what each word means, with those given before the others.

    Raises:
        BrokenFileError: A word is to mean what is no status.
    """
    for word, status in given.items():
        if status not in STATUSES:
            raise BrokenFileError(f"{word!r} cannot mean {status!r}: a loan is {', '.join(STATUSES)}.")
    known = {bare(word): status for status, words in CALLED.items() for word in (status, *words)}
    return known | {bare(word): status for word, status in given.items()}
