"""`python -m local.run` serves the real handlers on real servers, says when it is ready, and leaves nothing behind."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from pymysql.cursors import DictCursor

from db.migrate import LOCK_NAME
from local.run import Options, StartError, own_log
from local.servers.server import Server
from testkit.database import Database, connect
from testkit.waiting import eventually

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "local.run")

START_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.2  # InnoDB answers about its transactions from a copy if it is asked more than 10 times a second

CUSTOMER_ID = 1001
# Never requested before, so the cache cannot decline at once.
WAITING_CUSTOMER_ID = 1002


@dataclass(frozen=True)
class Run:
    """A `local.run` in its own session, like a terminal's foreground job, with its output."""

    process: psutil.Popen
    terminal: Path
    lambda_log: Path

    @property
    def shown(self) -> str:
        return self.terminal.read_text()

    @property
    def address(self) -> tuple[str, int]:
        """The address that it prints. It is not ready before."""
        ready = re.search(r"^Ready on http://(\S+):(\d+)\.", self.shown, re.MULTILINE)
        assert ready, self.shown
        return ready[1], int(ready[2])

    def post(self, path: str, customer_id: int = CUSTOMER_ID) -> tuple[int, object]:
        """Send an application and return status and body of the answer."""
        application = {"customer_id": customer_id, "loan_amount": 100000, "interest_rate": 10.5, "tenure": 12}
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        connection.request("POST", path, json.dumps(application), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.load(response)


@contextmanager
def running(environment: dict[str, str], folder: Path, starter: Sequence[str] = ()) -> Iterator[Run]:
    """Start `local.run`, by a starter program if one is given, and wait until it says that it is ready."""
    settings = {"PORT": "0", "WORKERS": "2", "LAMBDA_LOG": str(folder / "log"), "SAMPLE": "1"}
    run_environment = {**os.environ, **settings, **environment}
    with (folder / "terminal").open("w") as terminal:
        process = psutil.Popen(
            (*starter, *COMMAND),
            cwd=ROOT,
            env=run_environment,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
    run = Run(process, folder / "terminal", folder / "log")
    try:
        eventually(lambda: "Ready" in run.shown or process.poll() is not None, START_SECONDS)
        yield run
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def environment(migrated_database: Database, session_redis: Server) -> Iterator[dict[str, str]]:
    """The variables that name an empty database, not migrated, and an empty Redis."""
    name = f"{migrated_database.environment['DB_NAME']}_run"
    migrated_database.execute(f"DROP DATABASE IF EXISTS {name}")
    migrated_database.execute(f"CREATE DATABASE {name}")
    yield {**migrated_database.environment, **session_redis.environment, "DB_NAME": name, "REDIS_DB": "2"}
    migrated_database.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="module")
def api(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The API, started on the empty database."""
    with running(environment, tmp_path_factory.mktemp("run")) as run:
        yield run


def test_empty_database_is_migrated_and_gets_the_sample_portfolio(api: Run, environment: dict[str, str]) -> None:
    with connect(environment) as database, database.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM customers")
        ((customers,),) = cursor.fetchall()

    assert customers == 1000
    assert "Migrated: 0001_" in api.shown
    assert "Loaded the sample portfolio: 1000 customers." in api.shown


def test_a_database_that_nobody_wants_the_sample_in_gets_none(
    environment: dict[str, str], migrated_database: Database, tmp_path: Path
) -> None:
    name = f"{environment['DB_NAME']}_plain"
    migrated_database.execute(f"CREATE DATABASE {name}")
    try:
        with running({**environment, "DB_NAME": name, "SAMPLE": ""}, tmp_path) as run:
            assert "There are no customers yet: `make import` brings yours" in run.shown
            with connect({**environment, "DB_NAME": name}) as database, database.cursor() as cursor:
                assert cursor.execute("SELECT * FROM customers") == 0
    finally:
        migrated_database.execute(f"DROP DATABASE {name}")


def test_what_the_functions_print_goes_to_their_log_under_the_name_of_the_service(api: Run) -> None:
    """From the first line on."""
    status, _ = api.post("/nowhere")

    assert status == 404
    assert '"message":"Refused"' in api.lambda_log.read_text()
    assert '"service":"lending"' in api.lambda_log.read_text()
    assert "service_undefined" not in api.lambda_log.read_text()
    assert '{"level"' not in api.shown


def test_both_endpoints_answer(api: Run) -> None:
    status, body = api.post("/check-eligibility")

    assert status == 200
    assert isinstance(body, dict)
    assert body["customer_id"] == CUSTOMER_ID

    status, body = api.post("/create-loan")

    assert status in {200, 201}
    assert isinstance(body, dict)
    assert "loan_approved" in body


def test_curl_line_that_it_prints_works(api: Run) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    line = next(line for line in api.shown.splitlines() if line.strip().startswith("curl"))

    answer = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout

    assert answer.startswith("HTTP/1.1 200 OK")
    assert '"customer_id":1001' in answer


def test_terminal_shows_requests_and_the_log_what_the_functions_say(api: Run) -> None:
    for _ in range(2):
        api.post("/check-eligibility")

    request_line = re.compile(r"^POST /check-eligibility 200 \d+ ms credit-score; hit$", re.MULTILINE)
    assert eventually(lambda: request_line.search(api.shown), 5), api.shown
    assert '"_aws"' in api.lambda_log.read_text()
    assert '"_aws"' not in api.shown


def test_a_browser_is_shown_the_pages(api: Run) -> None:
    host, port = api.address

    def shows(path: str, text: bytes) -> bool:
        try:
            with urlopen(f"http://{host}:{port}{path}") as page:
                return text in page.read()
        except HTTPError:
            return False  # a busy machine may take longer for the first page than the front waits

    assert eventually(lambda: shows("/", b"borrows at any rate"), START_SECONDS)
    assert eventually(lambda: shows("/cache", b"Counted since"), START_SECONDS)
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request("HEAD", "/problems")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    assert int(response.headers["content-length"]) > 0
    assert f"A browser shows it working: http://{host}:{port}" in api.shown


def test_each_worker_is_a_process_and_so_are_the_schedule_and_the_pages(api: Run) -> None:
    assert len(api.process.children(recursive=True)) == 2 + 1 + 1


def test_second_start_on_the_same_port_says_what_to_do(api: Run, environment: dict[str, str]) -> None:
    _, port = api.address

    second = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, **environment, "PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )

    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr == (
        f"run: Cannot serve on port {port}: Address already in use. Choose another: PORT=3001 make run\n"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DB_HOST": ""}, "run: DB_HOST is not set"),
        ({"DB_PASSWORD": "wrong"}, "run: No database: Access denied"),
        ({"REDIS_PORT": "many"}, "run: REDIS_PORT must be an integer"),
        ({"LAMBDA_LOG": "/"}, "run: Cannot write LAMBDA_LOG=/: Is a directory."),
        ({"WORKERS": "many"}, "run: WORKERS must be an integer from 1 to 100, not 'many'"),
    ],
)
def test_start_that_cannot_succeed_says_why(environment: dict[str, str], change: dict[str, str], message: str) -> None:
    start = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, **environment, "PORT": "0", **change},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )

    assert start.returncode == 1
    assert start.stderr.startswith(message)
    assert "Traceback" not in start.stderr


def press_ctrl_c(process: psutil.Popen) -> None:
    """Interrupt the whole foreground job, like a terminal."""
    os.killpg(process.pid, signal.SIGINT)


def send(number: signal.Signals) -> Callable[[psutil.Popen], None]:
    """Return a function that sends the signal to the started process only."""
    return lambda process: process.send_signal(number)


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(press_ctrl_c, id="Ctrl-C"),
        pytest.param(send(signal.SIGINT), id="SIGINT"),
        pytest.param(send(signal.SIGTERM), id="SIGTERM"),
        pytest.param(send(signal.SIGHUP), id="terminal closed"),
    ],
)
def test_stopping_ends_every_process_at_once(
    stop: Callable[[psutil.Popen], None], environment: dict[str, str], tmp_path: Path
) -> None:
    """Quietly, even while a request is under way; its own log ends, too."""
    own_log = {**environment, "LAMBDA_LOG": ""}
    with running(own_log, tmp_path) as run, connect(environment) as database, database.cursor() as cursor:
        host, port = run.address
        processes = [run.process, *run.process.children(recursive=True)]
        log = ROOT / ".local" / f"lambda-{run.process.pid}.log"
        assert log.is_file()
        assert f"The functions log to .local/{log.name}." in run.shown
        database.begin()
        cursor.execute("SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE", (WAITING_CUSTOMER_ID,))
        client = Thread(target=lose_answer, args=(run,))
        client.start()
        assert eventually(lambda: is_waited_for(environment), 2, every=POLL_SECONDS), run.shown

        stop(run.process)

        assert run.process.wait(STOP_SECONDS) == 0
        assert not [process for process in processes if process.is_running()]
        assert not log.exists()
        assert "Traceback" not in run.shown
        with socket.create_server((host, port)):
            pass  # the port is free again
        client.join()


def test_ctrl_c_before_it_serves_ends_it_quietly(environment: dict[str, str], tmp_path: Path) -> None:
    """This one is waiting for somebody else's migration."""
    with connect(environment) as database, database.cursor() as cursor, (tmp_path / "terminal").open("w+") as terminal:
        cursor.execute(f"SELECT GET_LOCK({LOCK_NAME}, 0)")
        process = psutil.Popen(
            COMMAND,
            cwd=ROOT,
            env={**os.environ, **environment, "PORT": "0"},
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        assert eventually(lambda: "User lock" in states(environment), START_SECONDS)

        press_ctrl_c(process)

        assert process.wait(STOP_SECONDS) == -signal.SIGINT
        assert (tmp_path / "terminal").read_text() == ""


def states(environment: dict[str, str]) -> list[str]:
    """Return what each connection to the database is doing."""
    with connect(environment) as database, database.cursor(DictCursor) as cursor:
        cursor.execute("SHOW PROCESSLIST")
        return [row["State"] for row in cursor.fetchall() if row["db"] == environment["DB_NAME"]]


def test_run_ends_with_the_program_that_started_it(environment: dict[str, str], tmp_path: Path) -> None:
    """A killed program cannot stop anything any more."""
    starter = (sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    with running(environment, tmp_path, starter) as run:
        processes = run.process.children(recursive=True)
        assert len(processes) == 1 + 2 + 1 + 1

        run.process.kill()

        assert eventually(lambda: not any(map(is_alive, processes)), STOP_SECONDS)
        assert "Traceback" not in run.shown


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs. One that only waits to be reaped does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def lose_answer(run: Run) -> None:
    """Send a request whose server is stopped before it answers."""
    with pytest.raises((OSError, http.client.HTTPException)):
        run.post("/create-loan", WAITING_CUSTOMER_ID)


def is_waited_for(environment: dict[str, str]) -> bool:
    """Tell whether a transaction waits for a lock in the database."""
    with connect(environment) as database, database.cursor() as cursor:
        return bool(cursor.execute("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"))


def test_database_in_use_keeps_its_customers(environment: dict[str, str], tmp_path: Path) -> None:
    with connect(environment) as database, database.cursor() as cursor:
        cursor.execute("DELETE FROM loans")
        cursor.execute("DELETE FROM customers WHERE customer_id <> 1001")

        with running(environment, tmp_path) as run:
            assert "Loaded" not in run.shown
            assert '"status":' not in run.lambda_log.read_text(), "nobody has asked yet, and so nothing is counted"
            cursor.execute("SELECT customer_id FROM customers")
            assert cursor.fetchall() == ((1001,),)


def test_options_have_defaults() -> None:
    assert Options.from_env({}) == Options(port=3000, workers=2, lambda_log=None, with_sample=False)


def test_the_log_of_a_killed_run_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.run.LOGS", tmp_path)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    kept = {tmp_path / name for name in (f"lambda-{os.getppid()}.log", "lambda-of-mine.log")}
    for log in (*kept, tmp_path / f"lambda-{ended.pid}.log"):
        log.touch()

    assert own_log() == tmp_path / f"lambda-{os.getpid()}.log"
    assert set(tmp_path.iterdir()) == kept


@pytest.mark.parametrize("port", ["-1", "65536", "3000.0", "٣", " 3000"])
def test_port_must_be_a_port(port: str) -> None:
    with pytest.raises(StartError, match="PORT must be an integer from 0 to 65535"):
        Options.from_env({"PORT": port})
