"""MySQL and Redis for development and tests.

    python -m local.servers up             start both and keep them; `source .local/env` to reach them
    python -m local.servers down           stop them
    python -m local.servers exec -- CMD    run CMD with both at hand, starting and stopping what is missing

`exec` takes, for each of the two: the server named by DB_HOST or REDIS_HOST; that of a running `up`; or a private one
for the time of the command, from installed programs, from Docker, or installed first by apt-get or Homebrew.
"""

import argparse
import fcntl
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local import container
from local.child import EndedBySignalError, run_child, signals_end_us
from local.mysql_server import start_mysql
from local.process import recorded_process, stop_recorded
from local.programs import STATE, only_one, say
from local.redis_server import start_redis
from local.server import Server, ServerError, accepts_connections

__all__ = ["Server", "ServerError", "start_mysql", "start_redis"]

SERVERS = STATE / "servers"
KEPT = SERVERS / "kept"  # what `up` started
ENV_FILE = STATE / "env"
STARTERS = {"DB": ("mysql", start_mysql, "3306"), "REDIS": ("redis", start_redis, "6379")}


def main() -> int:
    """Carry out the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.servers", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start MySQL and Redis and keep them")
    commands.add_parser("down", help="stop what `up` started")
    run = commands.add_parser("exec", help="run a command with both at hand")
    run.add_argument("child", nargs="+", metavar="CMD", help="the command and its arguments, after --")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            up()
        elif arguments.command == "down":
            down()
        else:
            return execute(arguments.child)
    except ServerError as exc:
        say(str(exc))
        return 1
    except EndedBySignalError as exc:
        return exc.exit_status
    return 0


def up() -> None:
    """Start private servers that stay, with the data of the last time, and write how to reach them."""
    with only_one("kept"), signals_end_us(), ExitStack() as until_all_run:
        if len(_kept_environment()) == 0:
            _stop_left_behind(KEPT)
            environment: dict[str, str] = {}
            for name, start, _ in STARTERS.values():
                server = start(KEPT / name)
                until_all_run.callback(server.close)
                environment |= server.environment
                say(f"{server.name} listens at {server.host}:{server.port}")
            _write_env_file(environment)
            until_all_run.pop_all()
        else:
            say("already running")
    print("source .local/env")


def down() -> None:
    """Stop what `up` started, and what runs that were killed left behind."""
    with only_one("kept"):
        ENV_FILE.unlink(missing_ok=True)
        _stop_left_behind(KEPT)
    with only_one("runs"):
        _sweep_runs()


def execute(command: list[str]) -> int:
    """Run a command with both servers at hand; return its exit status."""
    with signals_end_us(), ExitStack() as stack:
        return run_child(command, os.environ | _at_hand(stack))


def _at_hand(stack: ExitStack) -> dict[str, str]:
    """Return the variables that name both servers, having started what was missing until `stack` closes."""
    kept = _kept_environment()
    environment: dict[str, str] = {}
    own_folder: Path | None = None
    for prefix, (name, start, default_port) in STARTERS.items():
        if os.environ.get(f"{prefix}_HOST"):
            _require_given(prefix, default_port)
        elif kept:
            say(f"using the {name} of `make up`")
            environment |= {key: value for key, value in kept.items() if key.startswith(prefix)}
        else:
            own_folder = own_folder or stack.enter_context(_folder_of_run())
            server = stack.enter_context(start(own_folder / name))
            say(f"started {server.name} at {server.host}:{server.port} for this command")
            environment |= server.environment
    return environment


def _require_given(prefix: str, default_port: str) -> None:
    host, port = os.environ[f"{prefix}_HOST"], os.environ.get(f"{prefix}_PORT", default_port)
    if not port.isdecimal() or not accepts_connections(host, int(port)):
        raise ServerError(
            f"{prefix}_HOST={host} {prefix}_PORT={port} are set, but nothing accepts connections there: "
            f"start that server, or unset {prefix}_HOST to have a private one."
        )
    say(f"using {prefix}_HOST={host} {prefix}_PORT={port} as given")


def _kept_environment() -> Mapping[str, str]:
    """Return what `up` wrote, or nothing unless both its servers run."""
    folders = [KEPT / name for name, _, _ in STARTERS.values()]
    if not ENV_FILE.exists() or not all(_runs(folder) for folder in folders):
        return {}
    assignments = [shlex.split(line)[1] for line in ENV_FILE.read_text().splitlines()]
    return dict(assignment.split("=", maxsplit=1) for assignment in assignments)


def _write_env_file(environment: Mapping[str, str]) -> None:
    ENV_FILE.touch(mode=0o600)
    ENV_FILE.write_text("".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items()))


def _runs(folder: Path) -> bool:
    return recorded_process(folder) is not None or container.recorded_is_running(folder)


def _stop_left_behind(parent: Path) -> None:
    for folder in parent.glob("*/"):
        stop_recorded(folder)
        container.remove_recorded(folder)


@contextmanager
def _folder_of_run() -> Iterator[Path]:
    """Make a folder for one run, locked while its owner lives, so that a later run can tell what a killed one left."""
    SERVERS.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with only_one("runs"):
            _sweep_runs()
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=SERVERS))
            lock = stack.enter_context((folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _sweep_runs() -> None:
    for folder in SERVERS.glob("run-*"):
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its owner lives
            say(f"stopping what the killed run {folder.name} left")
            _stop_left_behind(folder)
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
