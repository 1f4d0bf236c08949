"""Private servers do what the outage tests need, and the command line leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pymysql
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.servers.mysql_server import start_mysql
from local.servers.process import STOP_TIMEOUT_SECONDS, stop_recorded
from local.servers.redis_server import start_redis
from local.servers.server import Server, ServerError, accepts_connections
from testkit.database import connect

# Runs the command line with a state folder of the test's own, so that a developer's `make up` is left alone.
COMMAND_LINE = """
import signal, sys
from pathlib import Path
from local.servers import __main__ as servers
from local.servers import owners
from local.servers.redis_server import start_redis

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests themselves run in the background
state = Path(sys.argv.pop(1))
owners.OWNERS = state / "owners"
servers.KEPT = state / "kept"
servers.ENV_FILE = state / "env"
sys.exit(servers.main())
"""
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)), flush=True)"


def mysql_connection(server: Server, read_timeout_seconds: float = 10) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.environment["DB_USER"],
        password=server.environment["DB_PASSWORD"],
        database=server.environment["DB_NAME"],
        connect_timeout=10,
        read_timeout=read_timeout_seconds,
        autocommit=True,
    )


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_mysql(tmp_path_factory.mktemp("mysql")) as server:
        yield server


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Server]:
    with start_redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with redis_client(redis_server) as client:
        yield client


def redis_client(server: Server, timeout_seconds: float = 10) -> redis.Redis:
    return redis.Redis(host=server.host, port=server.port, socket_timeout=timeout_seconds, retry=Retry(NoBackoff(), 0))


def test_mysql_account_may_make_test_databases_but_no_others(mysql: Server) -> None:
    with mysql_connection(mysql) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE lending_test_gw0")

        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            cursor.execute("CREATE DATABASE elsewhere")


def test_mysql_keeps_what_was_committed_before_a_kill(mysql: Server) -> None:
    with mysql_connection(mysql) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (number INT)")
        cursor.execute("INSERT INTO kept VALUES (7)")

    mysql.kill()
    assert not accepts_connections(mysql.host, mysql.port)
    mysql.start()

    with mysql_connection(mysql) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        assert cursor.fetchall() == ((7,),)


def test_mysql_paused_keeps_a_connection_waiting_until_resumed(mysql: Server) -> None:
    with mysql_connection(mysql, read_timeout_seconds=0.3) as connection, connection.cursor() as cursor:
        mysql.pause()
        try:
            with pytest.raises(pymysql.OperationalError):
                cursor.execute("SELECT 1")
        finally:
            mysql.resume()

    with mysql_connection(mysql) as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT 1") == 1


def test_mysql_options_reach_the_server(tmp_path: Path) -> None:
    with (
        start_mysql(tmp_path / "mysql", None, "--max-connections=17") as server,
        mysql_connection(server) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT @@max_connections, @@innodb_flush_log_at_trx_commit")

        assert cursor.fetchone() == (17, 1)


def test_a_second_mysql_leaves_the_temporary_tables_of_the_first_alone(mysql: Server, tmp_path: Path) -> None:
    """MariaDB removes them from its folder when it starts; in a shared one that ended a running import."""
    with mysql_connection(mysql) as connection, connection.cursor() as cursor:
        # Aria's lie there as files from the beginning, where there is Aria.
        cursor.execute("SHOW ENGINES")
        engine = "Aria" if any(row[0] == "Aria" for row in cursor.fetchall()) else "InnoDB"
        cursor.execute(f"CREATE TEMPORARY TABLE staged ENGINE = {engine} SELECT 7 AS number")
        cursor.execute("SELECT @@tmpdir")
        ((first,),) = cursor.fetchall()

        with start_mysql(tmp_path / "second") as second, mysql_connection(second) as other, other.cursor() as its:
            its.execute("SELECT @@tmpdir")
            assert its.fetchall() != ((first,),)

        if engine == "Aria":
            assert list(Path(first).glob("#sql*"))
        cursor.execute("SELECT number FROM staged")
        assert cursor.fetchall() == ((7,),)


def test_redis_stopped_refuses_and_comes_back_on_its_port(redis_server: Server, client: redis.Redis) -> None:
    redis_server.stop()
    with pytest.raises(redis.ConnectionError):
        client.ping()

    redis_server.start()

    assert client.ping()


def test_redis_killed_comes_back_empty(redis_server: Server, client: redis.Redis) -> None:
    client.set("key", "value")

    redis_server.kill()
    redis_server.start()

    assert client.get("key") is None


def test_redis_paused_is_silent_until_resumed(redis_server: Server, client: redis.Redis) -> None:
    client.set("key", "value")

    redis_server.pause()
    with redis_client(redis_server, timeout_seconds=0.3) as impatient, pytest.raises(redis.TimeoutError):
        impatient.get("key")
    redis_server.resume()

    assert client.get("key") == b"value"


def test_paused_server_can_be_stopped(redis_server: Server) -> None:
    redis_server.pause()

    started = time.monotonic()
    redis_server.stop()

    assert not accepts_connections(redis_server.host, redis_server.port)
    assert time.monotonic() - started < STOP_TIMEOUT_SECONDS / 2, "it had to be killed"


def test_servers_side_by_side_have_their_own_ports(redis_server: Server, tmp_path: Path) -> None:
    with start_redis(tmp_path / "another") as another:
        assert another.port != redis_server.port
        assert another.environment == {"REDIS_HOST": another.host, "REDIS_PORT": str(another.port), "REDIS_DB": "1"}

    assert not accepts_connections(another.host, another.port)


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no-such-option"):
        start_redis(tmp_path / "redis", None, "--no-such-option", "1")


def test_port_of_another_is_not_taken_for_ours(redis_server: Server, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"(?i)already in use|already allocated"):
        start_redis(tmp_path / "another", redis_server.port)


def test_recorded_pid_that_is_anothers_by_now_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        started = psutil.Process(stranger.pid).create_time()
        record = tmp_path / "process.json"
        record.write_text(json.dumps({"pid": stranger.pid, "created": started - 3600}))

        stop_recorded(tmp_path)

        assert stranger.poll() is None
        stranger.kill()
    assert not record.exists()


# --- the command line -------------------------------------------------------------------------------------------------

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def command_line(tmp_path: Path) -> Start:
    """Start `python -m local.servers` with a state folder of its own and none of the variables that name servers."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("DB_", "REDIS_", "SAMPLE"))}

    def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND_LINE, str(tmp_path), *arguments],
            env=bare | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ports(environment: dict[str, str]) -> list[int]:
    return [int(environment["DB_PORT"]), int(environment["REDIS_PORT"])]


def none_listens(ports: list[int]) -> bool:
    return not any(accepts_connections("127.0.0.1", port) for port in ports)


def test_exec_runs_a_command_with_servers_for_its_time_and_returns_its_status(command_line: Start) -> None:
    script = f"{PRINT_ENVIRONMENT}; from local.servers.server import accepts_connections as up; import sys; "
    script += "sys.exit(7 if all(up('127.0.0.1', int(os.environ[key])) for key in ('DB_PORT', 'REDIS_PORT')) else 1)"

    with command_line("exec", "--", sys.executable, "-c", script) as run:
        printed, errors = run.communicate(timeout=60)

    assert run.returncode == 7, errors
    assert none_listens(ports(json.loads(printed)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_exec_passes_signals_on_and_stops_its_servers(command_line: Start, number: signal.Signals) -> None:
    script = f"import signal, sys, time; signal.signal({int(number)}, lambda *_: sys.exit(9)); {PRINT_ENVIRONMENT}; "
    script += "time.sleep(60)"

    with command_line("exec", "--", sys.executable, "-c", script) as run:
        assert run.stdout is not None
        environment = json.loads(run.stdout.readline())
        run.send_signal(number)
        run.communicate(timeout=60)

    assert run.returncode == 9
    assert none_listens(ports(environment))


def test_exec_says_which_given_server_is_away(command_line: Start) -> None:
    with command_line("exec", "--", "true", DB_HOST="127.0.0.1", DB_PORT="1") as run:
        _, errors = run.communicate(timeout=60)

    assert run.returncode == 1
    assert "DB_HOST=127.0.0.1 DB_PORT=1 are set, but nothing accepts connections there" in errors


def test_exec_uses_a_given_server(command_line: Start, redis_server: Server) -> None:
    with command_line("exec", "--", sys.executable, "-c", PRINT_ENVIRONMENT, **redis_server.environment) as run:
        printed, errors = run.communicate(timeout=60)

    assert run.returncode == 0, errors
    assert json.loads(printed)["REDIS_PORT"] == str(redis_server.port)
    assert accepts_connections(redis_server.host, redis_server.port)


def test_next_run_stops_what_a_killed_one_left(command_line: Start) -> None:
    script = f"import os, time; os.environ['CHILD'] = str(os.getpid()); {PRINT_ENVIRONMENT}; time.sleep(60)"
    with command_line("exec", "--", sys.executable, "-c", script) as run:
        assert run.stdout is not None
        environment = json.loads(run.stdout.readline())
        run.kill()
        os.kill(int(environment["CHILD"]), signal.SIGKILL)
    assert not none_listens(ports(environment))

    with command_line("down") as down:
        down.communicate(timeout=60)

    assert none_listens(ports(environment))


def test_servers_of_a_killed_test_run_are_stopped_by_the_next(tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from local.servers import __main__ as servers
from local.servers import owners
from local.servers.redis_server import start_redis

owners.OWNERS = Path({str(tmp_path / "owners")!r})
print(start_redis(Path({str(tmp_path / "elsewhere")!r})).port, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port = int(run.stdout.readline())
        run.kill()
    assert accepts_connections("127.0.0.1", port)

    subprocess.run([sys.executable, "-c", COMMAND_LINE, str(tmp_path), "down"], check=True)

    assert not accepts_connections("127.0.0.1", port)


def test_up_keeps_servers_for_exec_to_use_until_down(command_line: Start, tmp_path: Path) -> None:
    for _ in range(2):  # the second finds both running
        with command_line("up") as up:
            printed, errors = up.communicate(timeout=60)
        assert up.returncode == 0, errors
        assert printed == "source .local/env\n"

    script = f". '{tmp_path / 'env'}' && exec '{sys.executable}' -c '{PRINT_ENVIRONMENT}'"
    sourced = json.loads(subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True).stdout)
    with command_line("exec", "--", sys.executable, "-c", PRINT_ENVIRONMENT) as run:
        executed = json.loads(run.communicate(timeout=60)[0])
    names = ["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "REDIS_HOST", "REDIS_PORT", "REDIS_DB"]
    assert {name: sourced[name] for name in names} == {name: executed[name] for name in names}
    assert not none_listens(ports(sourced))
    assert "SAMPLE" not in executed  # somebody keeps what is in there

    with connect(sourced) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine (number INT)")
    with command_line("reset") as reset:
        reset.communicate(timeout=60)
    with connect(sourced) as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW TABLES") == 0

    with command_line("down") as down:
        down.communicate(timeout=60)
    assert none_listens(ports(sourced))
    with command_line("reset") as reset:
        assert "nothing of `make up` is running" in reset.communicate(timeout=60)[1]
