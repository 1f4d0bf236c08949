"""A private MariaDB (or MySQL), as durable as in production, with a database and an account for the application."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pymysql

from local.servers import container
from local.servers.owners import own
from local.servers.process import LocalProcess
from local.servers.programs import STATE, find_program, install, only_one, say
from local.servers.server import HOST, Runner, Server, ServerError, start_on

IMAGE = "mysql:8.4"
CONTAINER_PORT = 3306
DATABASE = "lending"
ADMINISTRATOR = "administrator"
USER = "lending"
# Neither package starts a service. The client's has the program that initialises a data folder.
APT_PACKAGES = (
    ("mariadb-server-core", "mariadb-client-core"),
    ("mariadb-server-core-10.6", "mariadb-client-core-10.6"),  # Ubuntu 22.04
)
OPTIONS = (
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",  # as on RDS, whatever the laptop's own zone
    "--innodb-flush-log-at-trx-commit=1",  # an acknowledged commit is on disk, because tests kill this server
    "--skip-name-resolve",
    "--skip-log-bin",
)


def start_mysql(folder: Path, port: int | None = None, *args: str, password: str | None = None) -> Server:
    """Start a private MariaDB or MySQL on 127.0.0.1, about a second once the first one has been initialised.

    Args:
        folder: A folder of its own for data and log. Made if missing; data in it is used again, but not by a container.
        port: None takes a free one.
        args: Further options of the server, such as "--max-connections=5".
        password: Of the application's account, where two servers stand for one that fails over; None makes one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    own(folder)
    program = None if in_container() else find_mysql() or _install()
    password = password or secrets.token_urlsafe(16)

    def make(port: int) -> Server:
        environment = {
            "DB_HOST": HOST,
            "DB_PORT": str(port),
            "DB_NAME": DATABASE,
            "DB_USER": USER,
            "DB_PASSWORD": password,
        }
        runner: Runner
        if program is None:
            runner = container.Container(
                IMAGE,
                folder,
                port,
                CONTAINER_PORT,
                environment={"MYSQL_ROOT_PASSWORD": password},
                arguments=[*OPTIONS, *args],
            )
            return Server(
                "MySQL", runner, port=port, environment=environment, answers=lambda: _account_made(port, password)
            )
        runner = LocalProcess(_command(program, folder, port, password, args), folder)
        name = "MariaDB" if _is_mariadb(program) else "MySQL"
        return Server(name, runner, port=port, environment=environment, answers=lambda: _login_works(port, password))

    return start_on(port, make)


def in_container() -> bool:
    """Tell whether start_mysql uses a container: Docker runs, and the program is not installed."""
    return find_mysql() is None and container.engine_answers()


def empty_mysql(environment: Mapping[str, str]) -> None:
    """Make the application's database anew, without a table in it."""
    with pymysql.connect(
        host=environment["DB_HOST"],
        port=int(environment["DB_PORT"]),
        user=environment["DB_USER"],
        password=environment["DB_PASSWORD"],
    ) as connection:
        connection.cursor().execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        connection.cursor().execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")


def find_mysql() -> Path | None:
    """Return the server's program if it is installed."""
    # MariaDB first: on Ubuntu, AppArmor ties mysqld to the system's own data folder.
    return find_program("mariadbd", "mysqld")


def _install() -> Path | None:
    with only_one("install"):
        if find_mysql() is None:
            say("found neither mariadbd nor mysqld")
            install(apt=APT_PACKAGES, brew="mariadb")
    return find_mysql()


def _command(program: Path, folder: Path, port: int, password: str, args: Sequence[str]) -> list[str]:
    data = folder / "data"
    if not data.exists():
        # Renamed when complete, so that an interrupted copy is never used.
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(_template(program), unfinished)
        unfinished.rename(data)
    # Of its own: when MariaDB starts it removes what looks like temporary tables, also those of another server.
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    accounts = folder / "accounts.sql"
    accounts.touch(mode=0o600)
    accounts.write_text("".join(f"{statement};\n" for statement in _account_statements(password)))
    return [
        str(program),
        "--no-defaults",
        *_options_of(program),
        f"--datadir={data}",
        f"--tmpdir={temporary}",
        f"--bind-address={HOST}",
        f"--port={port}",
        # Relative to the data folder, because a socket's path may have only 103 characters.
        "--socket=mysql.sock",
        "--pid-file=mysql.pid",
        f"--init-file={accounts}",
        *OPTIONS,
        *args,
    ]


def _template(program: Path) -> Path:
    """Return an initialised data folder to copy. Copying is fast, initialising takes seconds."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    template = STATE / "servers" / "templates" / re.sub(r"\W+", "-", version).strip("-")
    with only_one("template"):
        if not template.exists():
            say(f"initialising a data folder for {program}")
            unfinished = template.with_name("unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True, mode=0o700)
            _initialise(program, unfinished)
            unfinished.rename(template)
    return template


def _initialise(program: Path, data: Path) -> None:
    if _is_mariadb(program):
        initialiser = find_program("mariadb-install-db", "mysql_install_db")
        if initialiser is None:
            raise ServerError(f"{program} is here, mariadb-install-db is not: install the whole MariaDB server.")
        command = [str(initialiser), "--no-defaults", "--skip-test-db", "--auth-root-authentication-method=socket"]
    else:
        command = [str(program), "--no-defaults", "--initialize-insecure"]
    command += [f"--datadir={data}", *_user_option()]
    with TemporaryDirectory() as temporary:
        environment = os.environ | {"TMPDIR": temporary}  # of its own, as for the server itself
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _options_of(program: Path) -> list[str]:
    # MySQL's second protocol, and instruments that take half of the start-up time. MariaDB has both off.
    return _user_option() + ([] if _is_mariadb(program) else ["--mysqlx=OFF", "--performance-schema=OFF"])


def _is_mariadb(program: Path) -> bool:
    return "mariadb" in program.resolve().name


def _user_option() -> list[str]:
    # The server refuses to run as root without this. Another user could not reach a checkout in root's home.
    return ["--user=root"] if os.geteuid() == 0 else []


def _account_statements(password: str) -> list[str]:
    return [
        f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4",
        # '%', because connections into a container come from the engine's network.
        f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{password}'",
        f"ALTER USER '{USER}'@'%' IDENTIFIED BY '{password}'",
        f"GRANT ALL ON `{DATABASE}%`.* TO '{USER}'@'%'",  # lending_test_gw0 and the like
        f"GRANT PROCESS ON *.* TO '{USER}'@'%'",  # tests look at transactions and locks
        # Who may demote the server, as a failover does.
        f"CREATE USER IF NOT EXISTS '{ADMINISTRATOR}'@'%' IDENTIFIED BY '{password}'",
        f"ALTER USER '{ADMINISTRATOR}'@'%' IDENTIFIED BY '{password}'",
        f"GRANT ALL ON *.* TO '{ADMINISTRATOR}'@'%' WITH GRANT OPTION",
    ]


def _login_works(port: int, password: str) -> bool:
    try:
        pymysql.connect(host=HOST, port=port, user=USER, password=password, connect_timeout=2).close()
    except pymysql.MySQLError:
        return False
    return True


def _account_made(port: int, password: str) -> bool:
    """Make the account in a container. Its root may log in over TCP once its own initialisation is done."""
    try:
        with pymysql.connect(host=HOST, port=port, user="root", password=password, connect_timeout=2) as connection:
            for statement in _account_statements(password):
                connection.cursor().execute(statement)
    except pymysql.MySQLError:
        return False
    return True
