"""A private Redis (or Valkey). Like the cache in production, it writes nothing to disk."""

from collections.abc import Callable, Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.servers import container
from local.servers.owners import own
from local.servers.process import LocalProcess
from local.servers.programs import STATE, find_program, install, only_one, say
from local.servers.server import HOST, Runner, Server, free_port, start_on

IMAGE = "valkey/valkey:8"
CONTAINER_PORT = 6379
# A cache loses its content with its process (no snapshot, no append-only file), and what is used least when it is full.
AS_A_CACHE = ("--save", "", "--appendonly", "no", "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru")


def start_redis(folder: Path, port: int | None = None, *args: str) -> Server:
    """Start a private Redis on 127.0.0.1.

    Args:
        folder: An own folder for its log; made if missing.
        port: None takes a free one.
        args: Further options of redis-server, such as "--maxmemory", "10mb".
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    own(folder)
    program = None if in_container() else find_redis() or _install()

    if "--cluster-enabled" in args:
        # Where it is not told, it takes the port that is 10000 higher, which may be a stranger's.
        args = (*args, "--cluster-port", str(free_port()))

    def make(port: int) -> Server:
        if program is None:
            # The port is published on the loopback interface alone, yet connections seem to come from elsewhere.
            server = ("valkey-server", "--protected-mode", "no", *AS_A_CACHE, *args)
            boxed = container.Container(IMAGE, folder, port, CONTAINER_PORT, arguments=server)
            return _server(boxed, port, answers=lambda: _process_id(port) is not None)
        here = ("--bind", HOST, "--port", str(port), "--dir", str(folder))
        process = LocalProcess([str(program), *here, *AS_A_CACHE, *args], folder)
        return _server(process, port, answers=lambda: _process_id(port) == process.pid)

    return start_on(port, make)


def _server(runner: Runner, port: int, answers: Callable[[], bool]) -> Server:
    environment = {"REDIS_HOST": HOST, "REDIS_PORT": str(port), "REDIS_DB": "1"}
    return Server("Redis", runner, port=port, environment=environment, answers=answers)


def in_container() -> bool:
    """Tell whether start_redis uses a container: Docker runs, and the program is not installed."""
    return find_redis() is None and container.engine_answers()


def empty_redis(environment: Mapping[str, str]) -> None:
    """Forget everything, on each node of a cluster."""
    with redis.Redis(host=environment["REDIS_HOST"], port=int(environment["REDIS_PORT"])) as client:
        client.flushall()
        shards = client.execute_command("CLUSTER", "SLOTS") if client.info("cluster")["cluster_enabled"] else []
    for _, _, (host, port, *_), *_ in shards:
        with redis.Redis(host=host.decode(), port=port) as master:
            master.flushall()


def find_redis() -> Path | None:
    """Return the server's program if it is installed."""
    found = find_program("redis-server", "valkey-server")
    if found is None:
        # Debian's redis-server package is only a link to this program and a service, which would start at once. The
        # link is enough, because the program acts by the name it is called by.
        tools = find_program("redis-check-rdb")
        if tools is not None and tools.resolve().name == "redis-check-rdb":
            with only_one("install"):
                link = STATE / "bin" / "redis-server"
                link.parent.mkdir(exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(tools)
            return link
    return found


def _install() -> Path | None:
    with only_one("install"):
        if find_program("redis-server", "valkey-server", "redis-check-rdb") is None:
            say("found neither redis-server nor valkey-server")
            install(apt=[["redis-tools"]], brew="redis")
    return find_redis()


def _process_id(port: int) -> int | None:
    client = redis.Redis(host=HOST, port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        return int(client.info("server")["process_id"])
    except redis.RedisError:
        return None
    finally:
        client.close()
