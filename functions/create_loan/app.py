"""The function behind POST /create-loan."""

from lending import wiring
from lending.api import Call, api_operation
from lending.requests import parse_loan_request
from lending.responses import Response, render_loan
from lending.use_cases.create_loan import create_loan


@api_operation
def lambda_handler(call: Call) -> Response:
    """Make the loan that the body asks for, or decline it with reasons."""
    request = parse_loan_request(call.event, call.request_id)
    result = create_loan(
        request,
        store=wiring.loan_store,
        scores=wiring.score_cache(),
        today=wiring.today(),
        cache_use=call.cache_use,
        seconds_left=call.seconds_left,
        pause=wiring.pause,
        patience=wiring.patience,
    )
    call.note(request.application.customer_id, result.decision)
    if not result.replayed:
        call.count("LoanApproved" if result.decision.approved else "LoanDeclined")
    return render_loan(request.application, result)
