"""MySQL and Redis for development and tests.

    python -m local.servers up             start both and keep them; `source .local/env` to reach them
    python -m local.servers down           stop them
    python -m local.servers reset          empty both, while they run
    python -m local.servers exec -- CMD    run CMD with both at hand, starting and stopping what is missing

For each of the two, `exec` uses the first of these: the server that DB_HOST or REDIS_HOST names; the one of a running
`up`; a private one for the time of the command. A private one runs from an installed program, else in Docker, else from
a program that apt-get or Homebrew installs now. With CACHE=cluster in the environment, the private Redis that `up` and
`exec` start is a Redis Cluster.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from local.sam.container_access import SAM_ENV, start_relay, write_sam_environment
from local.servers import container
from local.servers.child import EndedBySignalError, run_child, signals_end_us
from local.servers.mysql_server import empty_mysql, start_mysql
from local.servers.owners import disown_all, own_folder, stop_all_in, stop_orphans
from local.servers.process import recorded_process
from local.servers.programs import STATE, only_one, say
from local.servers.redis_cluster import Cluster, start_cluster
from local.servers.redis_server import empty_redis, start_redis
from local.servers.server import Server, ServerError, accepts_connections

KEPT = STATE / "servers" / "kept"  # what `up` started
ENV_FILE = STATE / "env"
START_CACHE = start_cluster if os.environ.get("CACHE") == "cluster" else start_redis
STARTERS: Mapping[str, tuple[str, Callable[[Path], Server | Cluster], str]] = {
    "DB": ("mysql", start_mysql, "3306"),
    "REDIS": ("redis", START_CACHE, "6379"),
}


def main() -> int:
    """Carry out the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.servers", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start MySQL and Redis and keep them")
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("reset", help="empty what `up` started")
    run = commands.add_parser("exec", help="run a command with both at hand")
    run.add_argument("child", nargs="+", metavar="CMD", help="the command and its arguments, after --")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            up()
        elif arguments.command == "down":
            down()
        elif arguments.command == "reset":
            reset()
        else:
            return execute(arguments.child)
    except ServerError as exc:
        say(str(exc))
        return 1
    except EndedBySignalError as exc:
        return exc.exit_status
    return 0


def up() -> None:
    """Start private servers that stay, with the data of the last time, and write how to reach them.

    A server in a container starts empty, because its data ends with its container.
    """
    with only_one("kept"), signals_end_us(), ExitStack() as until_all_run:
        if len(_kept_environment()) == 0:
            if KEPT.exists():
                stop_all_in(KEPT)  # one of them may still run
            environment: dict[str, str] = {}
            for name, start, _ in STARTERS.values():
                server = start(KEPT / name)
                until_all_run.callback(server.close)
                environment |= server.environment
                say(f"{server.name} listens at {server.host}:{server.port}")
            _write_env_file(environment)
            write_sam_environment(environment)
            start_relay(environment, KEPT / "relay")
            until_all_run.pop_all()
            disown_all()
            if _data_is_in_container():
                say("MySQL runs in a container: `make down` deletes its data")
        else:
            say("already running")
    print("source .local/env")


def down() -> None:
    """Stop what `up` started, and what runs that were killed left behind."""
    with only_one("kept"):
        runs, data_goes = bool(_kept_environment()), _data_is_in_container()
        ENV_FILE.unlink(missing_ok=True)
        SAM_ENV.unlink(missing_ok=True)
        if KEPT.exists():
            stop_all_in(KEPT)
    stop_orphans()
    if not runs:
        say("nothing of `make up` was running")
    elif data_goes:
        say("stopped; MySQL's data is gone with its container")
    else:
        say("stopped; MySQL's data stays for the next `make up`")


def reset() -> None:
    """Empty the database and the cache that `up` started, and no others.

    Raises:
        ServerError: They do not run.
    """
    with only_one("kept"):
        kept = _kept_environment()
        if not kept:
            raise ServerError("nothing of `make up` is running; `make up` first")
        empty_mysql(kept)
        empty_redis(kept)
    say("the database and the cache of `make up` are empty")


def execute(command: list[str]) -> int:
    """Run a command with both servers at hand; return its exit status."""
    with signals_end_us(), ExitStack() as stack:
        stack.callback(stop_orphans)  # of tests that were killed
        stack.callback(disown_all)
        return run_child(command, os.environ | _at_hand(stack))


def _at_hand(stack: ExitStack) -> dict[str, str]:
    """Return the variables that name both servers, having started what was missing until `stack` closes."""
    kept = _kept_environment()
    environment: dict[str, str] = {}
    for prefix, (name, start, default_port) in STARTERS.items():
        if os.environ.get(f"{prefix}_HOST"):
            _require_given(prefix, default_port)
        elif kept:
            say(f"using the {name} of `make up`")
            environment |= {key: value for key, value in kept.items() if key.startswith(prefix)}
        else:
            server = start(own_folder() / name)
            stack.callback(server.close)
            say(f"started {server.name} at {server.host}:{server.port} for this command")
            environment |= server.environment
            if prefix == "DB":
                # It ends with the command, and nobody keeps anything in it: the sample may go in unasked.
                environment |= {"SAMPLE": os.environ.get("SAMPLE") or "1"}
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


def _data_is_in_container() -> bool:
    return container.recorded_is_running(KEPT / "mysql")


if __name__ == "__main__":
    sys.exit(main())
