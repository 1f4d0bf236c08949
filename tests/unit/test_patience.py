"""The waits of the service fit into each other, or there is no service."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from lending.patience import Patience


@pytest.mark.parametrize(
    ("waits", "rule"),
    [
        ({"table_wait": 3}, "table_wait < lock_wait"),
        ({"lock_wait": 5}, "table_wait < lock_wait < database_reply"),
        ({"lock_wait": 6, "time_to_begin": 7}, "table_wait < lock_wait < database_reply"),
        ({"database_reply": 10}, "table_wait < lock_wait < database_reply < FUNCTION_SECONDS"),
        ({"time_to_begin": 2.9}, "lock_wait <= time_to_begin"),
        ({"time_to_commit": 3}, "time_to_commit < time_to_begin"),
        ({"database_idle": 300}, "database_idle < database_server_idle"),
        ({"database_server_idle": 900}, "database_server_idle < marker"),
        ({"marker": 300}, "database_server_idle < marker"),
        ({"time_to_answer": 2}, "time_to_answer < time_to_commit"),
        ({"cache_reply": 0.09}, "cache_reply \\* TLS_REPLIES < cache_write"),
        ({"cache_peek": 0.061}, "cache_peek \\+ 2 \\* cache_write <= cache_total"),
        ({"cache_write": 0.091}, "cache_peek \\+ 2 \\* cache_write <= cache_total"),
        ({"cache_total": 0.5}, "cache_total < time_to_answer"),
    ],
)
def test_waits_that_do_not_fit_are_refused_with_the_rule(waits: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^Patience breaks (\w+ <=? )?{rule}( <|: )"):
        replace(Patience(), **waits)


def test_the_waits_are_told_with_the_rule() -> None:
    with pytest.raises(ValueError, match=r"^Patience breaks time_to_commit < time_to_begin: 4, 3$"):
        replace(Patience(), time_to_commit=4)


@pytest.mark.parametrize("waits", [{"time_to_begin": 3}, {"cache_reply": 0.089}, {"cache_total": 0.499}])
def test_waits_that_just_fit_are_taken(waits: dict[str, Any]) -> None:
    assert replace(Patience(), **waits) is not None


def test_relaxed_waits_for_the_cache_alone_are_longer() -> None:
    relaxed, usual = Patience.relaxed(), Patience()

    differing = {name for name in Patience.__slots__ if getattr(relaxed, name) != getattr(usual, name)}

    assert differing == {"time_to_answer", "cache_total", "cache_reply", "cache_peek", "cache_write", "cache_login"}
    assert all(getattr(relaxed, name) > getattr(usual, name) for name in differing)


def test_nobody_changes_it() -> None:
    with pytest.raises(FrozenInstanceError):
        Patience().lock_wait = 4  # type: ignore[misc]
