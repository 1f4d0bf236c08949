"""The function behind POST /create-loan."""

from lending import wiring
from lending.api import api_operation
from lending.requests import Event, parse_application
from lending.responses import Response, render_loan
from lending.use_cases.cache_use import CacheUse
from lending.use_cases.create_loan import create_loan


@api_operation
def lambda_handler(event: Event, cache_use: CacheUse) -> Response:
    """Grant the loan that the body asks for, or say why not."""
    application = parse_application(event)
    decision, loan_id = create_loan(
        application,
        store=wiring.loan_store(),
        scores=wiring.score_cache(),
        today=wiring.today(),
        cache_use=cache_use,
    )
    return render_loan(application, decision, loan_id)
