"""The same servers in Docker, as on a machine without their programs; skipped unless Docker has both images."""

import os
import subprocess
import sys
from pathlib import Path

import pymysql
import pytest
import redis

from local.servers import container, mysql_server, programs, redis_server
from local.servers.mysql_server import start_mysql
from local.servers.redis_server import start_redis
from local.servers.server import Server, ServerError, accepts_connections

# Runs the command line as on a machine without the programs, with a state folder of the test's own.
COMMAND_LINE = """
import sys
from pathlib import Path
from local.servers import __main__ as servers
from local.servers import owners, programs

state = Path(sys.argv.pop(1))
programs.SEARCH_PATH = str(state)
owners.OWNERS = state / "owners"
servers.KEPT = state / "kept"
servers.ENV_FILE = state / "env"
servers.SAM_ENV = state / "sam-env.json"
sys.exit(servers.main())
"""


def has_images() -> bool:
    """Tell whether Docker runs and has both images: no test pulls half a gigabyte unasked."""
    command = ["docker", "image", "inspect", mysql_server.IMAGE, redis_server.IMAGE]
    return container.engine_answers() and subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not has_images(), reason=f"Docker is not running or lacks {mysql_server.IMAGE} or {redis_server.IMAGE}"
)


@pytest.fixture(autouse=True)
def without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the server programs of this machine."""
    monkeypatch.setattr(programs, "SEARCH_PATH", str(tmp_path))


def recorded(folder: Path) -> set[str]:
    """Return the names of the containers that a folder records."""
    return {record.stem for record in folder.rglob("*.container")}


def existing(names: set[str]) -> set[str]:
    """Return those of the containers that exist, running or not."""
    command = ["docker", "ps", "--all", "--format", "{{.Names}}"]
    return names & set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def rows(server: Server, statement: str) -> tuple[tuple[object, ...], ...]:
    with (
        pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.environment["DB_USER"],
            password=server.environment["DB_PASSWORD"],
            database=server.environment["DB_NAME"],
            autocommit=True,
            read_timeout=10,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return tuple(cursor.fetchall())


def test_mysql_takes_options_and_keeps_commits_through_a_kill_and_a_stop(tmp_path: Path) -> None:
    with start_mysql(tmp_path / "mysql", None, "--max-connections=17") as server:
        rows(server, "CREATE TABLE kept AS SELECT 7 AS number")
        server.kill()
        assert not accepts_connections(server.host, server.port)
        server.start()
        server.stop()
        assert not accepts_connections(server.host, server.port)
        server.start()

        assert rows(server, "SELECT number, @@max_connections, @@innodb_flush_log_at_trx_commit FROM kept") == (
            (7, 17, 1),
        )


def test_redis_freezes_goes_on_and_loses_its_content_with_its_process(tmp_path: Path) -> None:
    with start_redis(tmp_path / "redis") as server:
        with redis.Redis(host=server.host, port=server.port) as client:
            client.set("key", "value")
        server.pause()
        with (
            redis.Redis(host=server.host, port=server.port, socket_timeout=0.3) as impatient,
            pytest.raises(redis.TimeoutError),
        ):
            impatient.get("key")
        server.resume()
        with redis.Redis(host=server.host, port=server.port, socket_timeout=10) as client:
            assert client.get("key") == b"value"
        server.pause()
        server.stop()
        server.start()

        with redis.Redis(host=server.host, port=server.port, socket_timeout=10) as client:
            assert client.get("key") is None


def test_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no-such-option"):
        start_redis(tmp_path / "redis", None, "--no-such-option", "1")

    assert not recorded(tmp_path)


def test_image_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "IMAGE", "127.0.0.1:1/no-such-image:0")

    with pytest.raises(ServerError, match="no-such-image"):
        start_redis(tmp_path / "redis")


def test_two_containers_of_one_folder_are_both_removed(tmp_path: Path) -> None:
    with start_redis(tmp_path) as first:
        first.stop()
        with start_redis(tmp_path, first.port):
            both = recorded(tmp_path)
            assert len(existing(both)) == 2

    assert not recorded(tmp_path)
    assert not existing(both)


def test_up_keeps_containers_until_down_and_says_that_their_data_goes(tmp_path: Path) -> None:
    up = command_line(tmp_path, "up")
    kept = recorded(tmp_path)
    running = existing(kept)
    again = command_line(tmp_path, "up")
    used = command_line(tmp_path, "exec", "--", "true")
    down = command_line(tmp_path, "down")

    assert "`make down` deletes its data" in up
    assert "already running" in again
    assert "using the mysql of `make up`" in used
    assert len(running) == 2
    assert "MySQL's data is gone with its container" in down
    assert not existing(kept)


def test_next_run_removes_the_containers_that_a_killed_one_left(tmp_path: Path) -> None:
    script = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    command_line(tmp_path, "exec", "--", sys.executable, "-c", script, status=-9)
    left = existing(recorded(tmp_path))

    command_line(tmp_path, "down")

    assert len(left) == 2
    assert not existing(left)


def command_line(state: Path, *arguments: str, status: int = 0) -> str:
    """Run `python -m local.servers` without programs; return what it says."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND_LINE, str(state), *arguments],
        env={key: value for key, value in os.environ.items() if not key.startswith(("DB_", "REDIS_"))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stderr
