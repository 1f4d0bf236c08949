"""The request events of `events/`, each with its function and its right statuses on the sample portfolio."""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "events"


class SampleEvent(NamedTuple):
    """One file of `events/`."""

    name: str
    """The file's name, without its ending."""
    function: str
    """The function that answers it, by its name in the template."""
    statuses: frozenset[int]
    """The HTTP statuses that are right."""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return FOLDER / f"{self.name}.json"

    def load(self) -> dict[str, Any]:
        """Return the event."""
        event: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return event


def _event(name: str, function: str, *statuses: int) -> SampleEvent:
    return SampleEvent(name, function, frozenset(statuses))


CHECK_ELIGIBILITY = "CheckEligibilityFunction"
CREATE_LOAN = "CreateLoanFunction"

SAMPLE_EVENTS = (
    _event("check_eligibility", CHECK_ELIGIBILITY, 200),
    _event("check_eligibility_base64", CHECK_ELIGIBILITY, 200),
    _event("check_eligibility_invalid_fields", CHECK_ELIGIBILITY, 422),
    _event("check_eligibility_no_body", CHECK_ELIGIBILITY, 400),
    _event("check_eligibility_not_json", CHECK_ELIGIBILITY, 400),
    _event("check_eligibility_unknown_customer", CHECK_ELIGIBILITY, 404),
    # 201 for a loan. 200 for a decline, once the customer has borrowed as much as the salary allows.
    _event("create_loan", CREATE_LOAN, 201, 200),
    _event("create_loan_with_key", CREATE_LOAN, 201, 200),
    _event("create_loan_invalid_fields", CREATE_LOAN, 422),
    _event("create_loan_unknown_customer", CREATE_LOAN, 404),
    _event("unknown_route", CHECK_ELIGIBILITY, 404),
)
