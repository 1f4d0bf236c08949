"""The minimum for a hit: one GET with redis-py's defaults, the installment in floats, JSON in and out."""

import json
import os
from typing import Any

import redis

ANY_RATE_ABOVE = 50

client = redis.Redis(
    host=os.environ.get("REDIS_HOST", "localhost"), port=int(os.environ.get("REDIS_PORT", "6379")), db=1
)


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read the cached score, compute the installment and answer. Nothing is checked."""
    body = json.loads(event["body"])
    document = json.loads(client.get(f"credit_score:{body['customer_id']}") or "null")
    rate = body["interest_rate"] / 1200
    growth = (1 + rate) ** body["tenure"]
    answer = {
        "customer_id": body["customer_id"],
        "approval": document["credit_score"] > ANY_RATE_ABOVE,
        "monthly_installment": round(body["loan_amount"] * rate * growth / (growth - 1), 2),
        "credit_score": document["credit_score"],
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}
