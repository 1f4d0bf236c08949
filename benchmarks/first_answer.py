"""Does what a new execution environment does: imports the handler and answers one event.

    python first_answer.py MODULE EVENT_FILE

It writes two lines to standard error. The first is `STATUS CACHE_STATUS`, written when the handler returns. The second
is the process's memory in KiB, or 0 if the system does not report it. It imports only what every handler needs.
"""

import json
import os
import sys

STATM = "/proc/self/statm"


class Context:
    """The part of the context that handlers use."""

    aws_request_id = "00000000-0000-4000-8000-000000000000"
    function_name = "benchmark"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:benchmark"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return 10_000


def resident_kib() -> int:
    """Return the memory that this process uses."""
    if not os.path.exists(STATM):  # noqa: PTH110 - pathlib would be an import of ours
        return 0
    with open(STATM) as statm:  # noqa: PTH123 - as above
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


with open(sys.argv[2], encoding="utf-8") as event_file:  # noqa: PTH123 - as above
    event = json.load(event_file)
__import__(sys.argv[1])
answer = sys.modules[sys.argv[1]].lambda_handler(event, Context())
os.write(2, f"{answer['statusCode']} {answer['headers'].get('cache-status', '')}\n".encode())
os.write(2, f"{resident_kib()}\n".encode())
