"""The doubles answer as the real servers do."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lending.adapters.logins import GivenLogin
from lending.adapters.mysql_connection import MySQLConnection
from lending.adapters.mysql_outbox import MySQLOutbox, Position
from lending.adapters.redis_connection import RedisConnection, Wait
from lending.adapters.redis_scripts import (
    DELETE_IF_SAME,
    DELETE_UNLESS_MARKED,
    LEASE_IF_SAME,
    LOOK_UP,
    PEEK,
    SET_IF_SAME,
    SET_MARKER,
    TTL_SECONDS,
)
from lending.config import Settings
from lending.patience import Patience
from lending.ports import Invalidation, InvalidationBatch, Outbox
from local.servers.server import Server
from testkit.database import Database
from tests.protocol.doubles import AtOnce, OutboxDouble, RedisDouble, SharedLoanStore

VALUES = st.sampled_from([b"lease:1", b"lease:2", b"write:1", b"write:2", b'{"v":1}', b'{"v":2}', b"junk"])
LEASES = st.sampled_from([b"lease:1", b"lease:2"])
WAIT = Wait(total=5, reply=5)

COMMANDS = st.one_of(
    st.just(("GET", "k")),
    st.just(("EVAL", PEEK, 1, "k")),
    st.just(("DEL", "k")),
    st.tuples(st.just("SET"), st.just("k"), VALUES, st.just("EX"), st.just(TTL_SECONDS)),
    st.builds(lambda lease: ("EVAL", LOOK_UP, 1, "k", lease), LEASES),
    st.builds(lambda seen, new: ("EVAL", LEASE_IF_SAME, 1, "k", seen, new), VALUES, LEASES),
    st.builds(lambda seen, new: ("EVAL", SET_IF_SAME, 1, "k", seen, new), VALUES, VALUES),
    st.builds(lambda marker: ("EVAL", SET_MARKER, 1, "k", marker, 900), st.sampled_from([b"write:1", b"write:2"])),
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


CUSTOMERS = (1, 2, 3)
WRITES = st.tuples(st.just("write"), st.sampled_from(CUSTOMERS), st.sampled_from([b"", b"write:1", b"write:2"]))
SWEEPS = st.one_of(
    st.tuples(st.just("sweep"), st.just(1), st.booleans()),
    st.tuples(st.just("sweep"), st.just(2), st.sampled_from([False])),
)
"""How many at the same time, and whether they confirm."""


@pytest.fixture
def real_outboxes(database: Database) -> Iterator[list[MySQLOutbox]]:
    """The service's outbox on two connections of their own, where the second pass follows the first at once."""
    login = GivenLogin(database.environment["DB_USER"], database.environment["DB_PASSWORD"])
    patience = replace(Patience(), second_pass=-1)
    with ExitStack() as stack:
        connections = [MySQLConnection(Settings.from_env(database.environment), login, patience) for _ in range(2)]
        yield [MySQLOutbox(stack.enter_context(closing(connection)), patience) for connection in connections]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(WRITES, SWEEPS), max_size=8))
def test_the_outbox_double_does_as_the_database_does(
    database: Database, real_outboxes: Sequence[MySQLOutbox], events: list[tuple[Any, ...]]
) -> None:
    database.clear()
    store = SharedLoanStore()
    doubles = [OutboxDouble(store, AtOnce()) for _ in range(2)]

    for kind, *how in events:
        if kind == "write":
            customer_id, marker = how
            database.execute(
                "INSERT INTO cache_invalidations (customer_id, write_token) VALUES (%s, %s)", (customer_id, marker)
            )
            store.invalidations.append(Invalidation(customer_id, (marker,) if marker else ()))
        else:
            at_once, confirmed = how
            for outbox in real_outboxes:
                outbox._position = Position()  # as when a second has passed
            expected = sweep(real_outboxes[:at_once], confirmed=confirmed)
            actual = sweep(doubles[:at_once], confirmed=confirmed)
            assert actual[0] == expected[0]
            # A sweep also holds the row at the end of its range, which the one beside it then passes over until later.
            assert expected[-1][0] <= actual[-1][0]
        assert doubles[0].pending(CUSTOMERS) == real_outboxes[0].pending(CUSTOMERS)


def sweep(outboxes: Sequence[Outbox], *, confirmed: bool) -> list[tuple[int, dict[int, list[bytes]]]]:
    """Hold a batch of each at the same time; return what they held."""
    with ExitStack() as stack:
        batches: list[InvalidationBatch] = [stack.enter_context(outbox.batch(1000)) for outbox in outboxes]
        held = [(b.rows, {i.customer_id: sorted(i.markers) for i in b.invalidations}) for b in batches]
        if confirmed:
            for batch in batches:
                batch.confirm()
    return held
