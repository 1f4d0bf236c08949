"""What is logged of a failure of the cache: its words where no value can be in them."""

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from lending.adapters.redis_connection import in_words


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (ValueError("91234"), "ValueError"),
        (TypeError("91234"), "TypeError"),
        (ResponseError("unknown command 'X', with args beginning with: '91234'"), "ResponseError:  unknown command"),
        (NoPermissionError("User lending has no permissions"), "NoPermissionError:  User lending has no permissions"),
        (OSError(111, "Connection refused"), "ConnectionRefusedError: [Errno 111] Connection refused"),
    ],
)
def test_no_value_is_in_the_words(exc: Exception, words: str) -> None:
    assert in_words(exc).split() == words.split()
