"""The minimum for a handler: an answer."""

from typing import Any


def lambda_handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer at once."""
    return {"statusCode": 200, "body": "{}"}
