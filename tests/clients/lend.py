"""Lends with the client that openapi-python-client makes of the contract; run by the Python of .local/clients.

lend.py ADDRESS OF_A_GATEWAY_OUT_OF_ORDER
"""

import sys
from datetime import date
from http import HTTPStatus
from typing import Any

from lending_client import Client  # type: ignore[import-not-found]
from lending_client.api.loans import check_eligibility, create_loan  # type: ignore[import-not-found]
from lending_client.models import (  # type: ignore[import-not-found]
    GatewayMessage,
    LoanApplication,
    LoanRequest,
    Problem,
    ReasonCode,
)

APPLICATION = {"loan_amount": 100000, "interest_rate": 8, "tenure": 12}


def main(address: str, out_of_order: str) -> None:
    """Check, lend, be declined, be refused, and be cut off by a gateway."""
    client = Client(base_url=address)

    def check(customer_id: int) -> Any:
        return check_eligibility.sync(client=client, body=LoanApplication(customer_id=customer_id, **APPLICATION))

    def lend(customer_id: int, key: str, **fields: Any) -> Any:
        body = LoanRequest(customer_id=customer_id, **APPLICATION | fields)
        return create_loan.sync_detailed(client=client, body=body, idempotency_key=key)

    offer = check(1001)
    require(offer.approval and len(offer.score_components) == 4, offer)
    require(offer.highest_loan_amount > 100000 and offer.shortest_tenure < 12, offer)

    lent = lend(1001, "python")
    require(lent.status_code == HTTPStatus.CREATED and lent.parsed.loan_id > 0, lent)
    require(isinstance(lent.parsed.start_date, date) and lent.parsed.loan_approved, lent)
    again = lend(1001, "python")
    require(again.parsed == lent.parsed and again.headers["Idempotency-Replayed"] == "true", again)

    declined = lend(1005, "python declined").parsed
    require((declined.loan_approved, declined.loan_id, declined.start_date) == (False, None, None), declined)
    require(declined.reason_codes == [ReasonCode.NO_CREDIT_HISTORY], declined)
    limited = lend(1002, "python limited", highest_interest_rate=9.99).parsed
    require(limited.reason_codes == [ReasonCode.RATE_OVER_HIGHEST], limited)

    require(check(3000000000).customer_id == 3000000000, "3000000000")

    require(check(42).type_ == "/problems/customer-not-found", check(42))
    invalid = lend(1001, "python invalid", tenure=481).parsed
    require(isinstance(invalid, Problem) and invalid.errors[0].pointer == "/tenure", invalid)
    require(lend(1001, "python", tenure=24).parsed.type_ == "/problems/idempotency-mismatch", "another body")

    lost = create_loan.sync_detailed(
        client=Client(base_url=out_of_order), body=LoanRequest(customer_id=1001, **APPLICATION)
    )
    require(lost.status_code == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(lost.parsed, GatewayMessage), lost)


def require(claim: object, shown: object) -> None:
    """Stop where a claim does not hold."""
    if not claim:
        raise AssertionError(shown)


if __name__ == "__main__":
    main(*sys.argv[1:])
