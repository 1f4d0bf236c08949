"""The context object that the Lambda runtime hands to a handler beside the event."""

import time
from dataclasses import dataclass, field
from uuid import uuid4

# What the local front stands in for; an account number that AWS reserves for examples.
ACCOUNT_ID = "123456789012"
REGION = "us-east-1"

# `Timeout` of the functions in template.yaml.
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class LambdaContext:
    """One invocation of one function, with the attributes that the Python runtime of Lambda gives it."""

    function_name: str
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 512
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    timeout_seconds: float = TIMEOUT_SECONDS
    started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, as if it were deployed."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """The CloudWatch log group that Lambda would write to."""
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda would stop the function, never below 0."""
        elapsed_seconds = time.monotonic() - self.started
        return max(0, int((self.timeout_seconds - elapsed_seconds) * 1000))
