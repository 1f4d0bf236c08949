"""The function behind POST /create-loan."""

from lending import wiring
from lending.api import Call, api_operation
from lending.caller import admitted
from lending.decision_record import decision_record
from lending.errors import OutcomeUnknownError
from lending.requests import parse_loan_request
from lending.responses import Response, render_loan
from lending.use_cases.create_loan import LoanResult, create_loan


@api_operation
def lambda_handler(call: Call) -> Response:
    """Make the loan that the body asks for, or decline it with reasons."""
    caller = admitted(call.event, wiring.required_scope())
    request = parse_loan_request(call.event, call.request_id, caller)
    today = wiring.today()

    def record(result: LoanResult) -> None:
        call.note(
            decision_record(
                request.application,
                result.decision,
                result.profile,
                principal=caller.principal,
                today=today,
                loan=result.loan,
                first_request_id=result.first_request_id,
            )
        )

    try:
        result = create_loan(
            request,
            store=wiring.loan_store,
            scores=wiring.score_cache(),
            today=today,
            policy=wiring.policy_of(today),
            cache_use=call.cache_use,
            milliseconds_left=call.milliseconds_left,
            pause=wiring.pause,
            patience=wiring.patience,
        )
    except OutcomeUnknownError as unknown:
        if isinstance(unknown.decided, LoanResult):
            record(unknown.decided)  # it may have been lent: somebody will ask why
        raise
    record(result)
    if not result.replayed:
        call.count("LoanApproved" if result.decision.approved else "LoanDeclined")
    return render_loan(request.application, result)
