"""A command reaches Redis whatever else is late, and no database but the one that is meant."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_connection import RedisConnection
from lending.adapters.redis_scores import RedisScoreCache
from lending.config import Settings
from lending.patience import Patience
from lending.use_cases.cache_write import marker_of
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.fakes import POLICY
from testkit.proxy import HOST, Action, Proxy
from testkit.service import TODAY

ELSEWHERE = {"DB_HOST": "unused", "DB_NAME": "unused", "DB_USER": "unused"}
MARKER = marker_of("r1")
KEY = "credit_score:1001"
IN_TIME_SECONDS = 5


def a_cache(redis_variables: dict[str, str], patience: Patience) -> RedisScoreCache:
    """Return the cache of one request in a new environment."""
    settings = Settings.from_env(ELSEWHERE | redis_variables)
    return RedisScoreCache(
        RedisConnection(settings, None, patience), Keyspace(settings.redis_db, "", settings.db_mark), patience
    )


def in_use(redis_variables: dict[str, str]) -> RedisScoreCache:
    """Return the cache of a request whose environment has a connection."""
    cache = a_cache(redis_variables, Patience.relaxed())
    cache.peek(1001, TODAY, POLICY)
    return cache


def arrives(client: redis.Redis, value: bytes | None) -> bool:
    """Wait until a value lies under the key; return whether it does."""
    give_up_at = time.monotonic() + IN_TIME_SECONDS
    while client.get(KEY) != value and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return client.get(KEY) == value


@pytest.fixture
def proxy(redis_server: Server) -> Iterator[Proxy]:
    with Proxy(redis_server.host, redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(redis_server: Server, proxy: Proxy) -> dict[str, str]:
    return redis_server.environment | {"REDIS_HOST": HOST, "REDIS_PORT": str(proxy.port)}


def test_on_a_new_connection_a_command_goes_out_in_one_write_with_what_comes_before(
    through_proxy: dict[str, str], proxy: Proxy, redis_client: redis.Redis
) -> None:
    """So it needs no reply to be sent: here none comes."""
    writes = []

    def lose_the_reply(piece: bytes) -> Action:
        writes.append(piece)
        return Action.DROP_REPLY

    proxy.on_request = lose_the_reply

    confirmed = a_cache(through_proxy, Patience()).confirm_write(1001, MARKER)

    assert not confirmed
    assert len(writes) == 1
    assert arrives(redis_client, MARKER)


def test_a_command_is_sent_although_the_time_for_the_cache_is_over(
    through_proxy: dict[str, str], proxy: Proxy, redis_client: redis.Redis
) -> None:
    cache = a_cache(through_proxy, Patience())
    proxy.on_request = lambda _: Action.DROP
    for _ in range(4):
        cache.confirm_write(1001, MARKER)
    redis_client.set(KEY, "{}")
    proxy.on_request = lambda _: Action.PASS

    cache.finish_write(1001, MARKER)

    assert arrives(redis_client, None)


def test_where_the_database_number_is_refused_no_other_database_is_written_to(tmp_path: Path) -> None:
    with start_redis(tmp_path, None, "--databases", "1") as server:
        cache = a_cache(server.environment, Patience.relaxed())

        cache.look_up(1001, TODAY, POLICY)
        cache.confirm_write(1001, MARKER)

        with redis.Redis(host=server.host, port=server.port) as client:
            assert client.dbsize() == 0


def test_a_marker_that_was_sent_ahead_is_only_waited_for(
    through_proxy: dict[str, str], proxy: Proxy, redis_client: redis.Redis
) -> None:
    cache = in_use(through_proxy)
    pieces = []

    def count(piece: bytes) -> Action:
        pieces.append(piece)
        return Action.PASS

    proxy.on_request = count

    cache.begin_write(1001, MARKER)
    arrived = arrives(redis_client, MARKER)
    confirmed = cache.confirm_write(1001, MARKER)

    assert arrived
    assert confirmed
    assert len(pieces) == 1
    assert cache.finish_write(1001, MARKER), "which gets a reply of its own"
    assert redis_client.get(KEY) is None


def test_a_marker_that_was_sent_ahead_is_not_confirmed_before_redis_replies(
    through_proxy: dict[str, str], proxy: Proxy, redis_client: redis.Redis
) -> None:
    cache = in_use(through_proxy)
    proxy.on_request = lambda _: Action.DROP_REPLY

    cache.begin_write(1001, MARKER)
    arrived = arrives(redis_client, MARKER)

    assert arrived
    assert not cache.confirm_write(1001, MARKER)


@pytest.mark.parametrize("tries_before", [1, 2])
def test_each_try_puts_its_marker_anew_although_nobody_has_read_what_the_others_got(
    through_proxy: dict[str, str], redis_client: redis.Redis, tries_before: int
) -> None:
    cache = in_use(through_proxy)
    for _ in range(tries_before):
        cache.begin_write(1001, MARKER)
        assert arrives(redis_client, MARKER)
        redis_client.delete(KEY)  # as another writer does in between

    cache.begin_write(1001, MARKER)

    assert cache.confirm_write(1001, MARKER)
    assert redis_client.get(KEY) == MARKER
    assert cache.finish_write(1001, MARKER), "which gets a reply of its own"
    assert redis_client.get(KEY) is None


def test_a_marker_that_was_sent_ahead_in_vain_is_sent_again(
    through_proxy: dict[str, str], proxy: Proxy, redis_client: redis.Redis
) -> None:
    cache = in_use(through_proxy)
    proxy.on_request = lambda _: Action.CUT
    cache.begin_write(1001, MARKER)
    proxy.on_request = lambda _: Action.PASS

    assert cache.confirm_write(1001, MARKER)

    assert redis_client.get(KEY) == MARKER


def test_a_marker_is_sent_ahead_only_where_nothing_has_to_be_waited_for(
    through_proxy: dict[str, str], redis_client: redis.Redis
) -> None:
    cache = a_cache(through_proxy, Patience.relaxed())  # has no connection yet

    cache.begin_write(1001, MARKER)
    assert redis_client.get(KEY) is None

    assert cache.confirm_write(1001, MARKER)
    assert redis_client.get(KEY) == MARKER


def test_a_marker_that_was_sent_ahead_is_retracted_before_anybody_has_waited_for_it(
    through_proxy: dict[str, str], redis_client: redis.Redis
) -> None:
    cache = in_use(through_proxy)

    cache.begin_write(1001, MARKER)
    cache.retract_write(1001, MARKER)

    assert redis_client.get(KEY) is None
    assert cache.look_up(1001, TODAY, POLICY).lease is not None, "so the replies are not out of step"
