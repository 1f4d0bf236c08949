"""The function behind POST /check-eligibility."""

from lending import wiring
from lending.api import Call, api_operation
from lending.requests import parse_application
from lending.responses import Response, render_eligibility
from lending.use_cases.check_eligibility import check_eligibility


@api_operation
def lambda_handler(call: Call) -> Response:
    """Decide whether the customer may borrow what the body asks for, and at what rate."""
    application = parse_application(call.event)
    decision = check_eligibility(
        application,
        store=wiring.loan_store,
        scores=wiring.score_cache(),
        today=wiring.today(),
        cache_use=call.cache_use,
    )
    call.note(application.customer_id, decision)
    return render_eligibility(application, decision)
