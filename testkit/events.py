"""Makes events as API Gateway sends them (payload format 2.0), with any body."""

import base64
import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[1] / "events"

EVENT_FILES = {"/check-eligibility": "check_eligibility.json", "/create-loan": "create_loan.json"}


def post_event(path: str, body: str | bytes | None, **headers: str) -> dict[str, Any]:
    """Return the event of a POST. A body of bytes goes in base64, as the gateway sends bodies that are not text."""
    event: dict[str, Any] = json.loads((EVENTS / EVENT_FILES[path]).read_text(encoding="utf-8"))
    del event["body"]
    event["headers"] |= headers
    if isinstance(body, bytes):
        event |= {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}
    elif body is not None:
        event["body"] = body
    return event
