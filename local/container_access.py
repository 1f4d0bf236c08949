"""Let `sam local` reach servers of this machine: what `make up` leaves for it, beside the servers themselves."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from local import docker_relay
from local.process import LocalProcess
from local.programs import STATE

SAM_ENV = STATE / "sam-env.json"
HOST_FROM_CONTAINERS = "host.docker.internal"
"""Names this machine inside a container: in Docker Desktop by itself, elsewhere by `add_host` in samconfig.toml."""

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
HOSTS_AND_PORTS = {"DB_HOST": ("DB_PORT", "3306"), "REDIS_HOST": ("REDIS_PORT", "6379")}


def write_sam_environment(environ: Mapping[str, str], path: Path = SAM_ENV) -> None:
    """Write the file for `sam local --env-vars`, readable by its owner alone: it may hold a password."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(sam_environment(environ), indent=2) + "\n")


def sam_environment(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the DB_* and REDIS_* variables for every function of the template, as they are right in a container."""
    variables = {name: value for name, value in environ.items() if name.startswith(("DB_", "REDIS_"))}
    for name in HOSTS_AND_PORTS:
        # In a container "localhost" is the container.
        if variables.get(name) in LOOPBACK:
            variables[name] = HOST_FROM_CONTAINERS
    return {"Parameters": variables}


def start_relay(environ: Mapping[str, str], folder: Path) -> LocalProcess | None:
    """Start what passes containers' connections on to the servers, or return None where nothing is needed.

    Args:
        environ: DB_* and REDIS_* variables that name the servers.
        folder: Where the process keeps its log, and its record for `make down`.
    """
    ports = [
        environ.get(port, default) for host, (port, default) in HOSTS_AND_PORTS.items() if environ.get(host) in LOOPBACK
    ]
    if not ports or docker_relay.bridge_address() is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    relay = LocalProcess([sys.executable, docker_relay.__file__, *ports], folder)
    relay.start()
    return relay
