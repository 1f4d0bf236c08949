"""The doubles answer as the real servers do."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lending.adapters.redis_connection import RedisConnection, Wait
from lending.adapters.redis_scripts import (
    DELETE_IF_SAME,
    DELETE_UNLESS_MARKED,
    LEASE_IF_SAME,
    LOOK_UP,
    PEEK,
    SET_IF_SAME,
    SET_MARKER,
)
from lending.config import Settings
from lending.patience import Patience
from local.servers.server import Server
from tests.protocol.doubles import RedisDouble

VALUES = st.sampled_from([b"lease:1", b"lease:2", b"write:1", b"write:2", b'{"v":1}', b'{"v":2}', b"junk"])
WAIT = Wait(total=5, reply=5)

COMMANDS = st.one_of(
    st.just(("GET", "k")),
    st.just(("EVAL", PEEK, 1, "k", 2048)),
    st.just(("DEL", "k")),
    st.tuples(st.just("SET"), st.just("k"), VALUES, st.just("PX"), st.just(900_000)),
    st.builds(lambda lease: ("EVAL", LOOK_UP, 1, "k", lease, 900_000, 0, 2048), VALUES),
    st.builds(lambda seen, new: ("EVAL", LEASE_IF_SAME, 1, "k", seen, new, 900_000), VALUES, VALUES),
    st.builds(lambda seen, new: ("EVAL", SET_IF_SAME, 1, "k", seen, new, 900), VALUES, VALUES),
    st.builds(lambda marker: ("EVAL", SET_MARKER, 1, "k", marker, 900), VALUES),
    st.builds(lambda markers: ("EVAL", DELETE_UNLESS_MARKED, 1, "k", *markers), st.lists(VALUES, max_size=3)),
    st.builds(lambda seen: ("EVAL", DELETE_IF_SAME, 1, "k", seen), VALUES),
)


@pytest.fixture
def real(redis_server: Server) -> Iterator[RedisConnection]:
    """The service's own connection to the real Redis."""
    unused = {"DB_HOST": "unused", "DB_NAME": "unused", "DB_USER": "unused"}
    connection = RedisConnection(Settings.from_env(unused | redis_server.environment), None, Patience.relaxed())
    yield connection
    connection.close()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(COMMANDS, max_size=12))
def test_the_redis_double_answers_as_redis_does(real: RedisConnection, commands: list[tuple[Any, ...]]) -> None:
    real.ask("FLUSHDB", wait=WAIT)
    double = RedisDouble()

    expected = [real.ask(*command, wait=WAIT) for command in commands]
    actual = [double.execute(command) for command in commands]

    assert actual == expected
    assert double.values.get("k") == real.ask("GET", "k", wait=WAIT)
