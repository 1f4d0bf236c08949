"""redis-py without its initialiser: enough for a connection, and all of it for whoever wants more."""

import pytest

from tests.unit.test_imports import PRELUDE, run

CONNECTED = """
import socket
from lending.adapters.redis_cluster import MovedError
from lending.adapters.redis_connection import _OnSocket
ours, redis_end = socket.socketpair()
connection = _OnSocket(host="x", port=1, socket_timeout=1, protocol=2, driver_info=None)
connection.connected = ours
connection.connect()
connection.send_packed_command(connection.pack_commands([("GET", "key")]))
assert redis_end.recv(100) == b"*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n"
redis_end.sendall(b"-MOVED 7 127.0.0.1:7000\\r\\n")
try:
    connection.read_response(timeout=1)
except MovedError as moved:
    assert (moved.slot_id, moved.port) == (7, 7000)
connection.disconnect()
"""


def test_a_connection_and_its_errors_need_no_more_of_redis_py() -> None:
    """A new redis-py that moves things is noticed here: the package would be initialised, or the names be gone."""
    told = run(PRELUDE + CONNECTED + "tell()")

    assert told["heavy"] == []


@pytest.mark.parametrize(
    "use",
    [
        "import redis\nassert redis.Redis(port=1).get_connection_kwargs()['port'] == 1",
        "from redis import Redis, asyncio\nassert asyncio.Redis is not Redis",
        "from redis import *\nassert StrictRedis",
        "import redis\nassert redis.__version__",
        "import redis.asyncio\nassert redis.asyncio.Redis",
        "from redis.cluster import RedisCluster\nimport redis\nassert redis.RedisCluster is RedisCluster",
        "import redis\nassert redis.Connection is Connection\nassert redis.exceptions.MovedError is MovedError",
        "import redis\nassert not hasattr(redis, 'nonsense')\nassert redis.Redis",
    ],
)
def test_whoever_imports_redis_has_all_of_it(use: str) -> None:
    ours = "from lending.adapters.redis_connection import Connection\n"
    ours += "from lending.adapters.redis_cluster import MovedError"
    run(f"{ours}\n{use}\nprint('{{}}')")


def test_where_redis_was_imported_before_it_is_left_as_it_is() -> None:
    run(
        "import redis, sys\nbefore = list(sys.meta_path)\nfrom lending.adapters.redis_connection import Connection\n"
        "assert Connection is redis.Connection\nassert sys.meta_path == before\nprint('{}')"
    )


def test_versions_are_looked_up_when_they_are_asked_for() -> None:
    told = run(
        PRELUDE
        + "from lending.adapters import redis_package\nfrom importlib import metadata\n"
        + "assert metadata.version('redis')\ntell()"
    )

    assert told["heavy"] == ["zipfile"]
