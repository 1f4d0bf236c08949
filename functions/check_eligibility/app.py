"""The function behind POST /check-eligibility."""

from lending import wiring
from lending.api import Call, api_operation
from lending.caller import admitted
from lending.decision_record import decision_record
from lending.requests import parse_application
from lending.responses import Response, render_eligibility
from lending.use_cases.check_eligibility import check_eligibility


@api_operation
def lambda_handler(call: Call) -> Response:
    """Decide whether the customer may borrow what the body asks for, and at what rate."""
    caller = admitted(call.event, wiring.required_scope())
    application = parse_application(call.event)
    today = wiring.today()
    decision, profile = check_eligibility(
        application,
        store=wiring.loan_store,
        scores=wiring.score_cache(),
        today=today,
        policy=wiring.policy_of(today),
        cache_use=call.cache_use,
    )
    call.note(decision_record(application, decision, profile, principal=caller.principal, today=today))
    return render_eligibility(application, decision)
