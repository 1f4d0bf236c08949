"""Lets `sam local` reach the servers of this machine. `make up` uses this beside the servers themselves."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from local.sam import docker_relay
from local.servers.process import LocalProcess
from local.servers.programs import STATE

SAM_ENV = STATE / "sam-env.json"
HOST_FROM_CONTAINERS = "host.docker.internal"
"""Names this machine inside a container. Docker Desktop knows it; others learn it by `add_host` in samconfig.toml."""

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
HOSTS_AND_PORTS = {"DB_HOST": ("DB_PORT", "3306"), "REDIS_HOST": ("REDIS_PORT", "6379")}
SECRETS_URL = "AWS_ENDPOINT_URL_SECRETS_MANAGER"

WITHOUT_A_STACK = {
    "DB_ACCOUNTS": "",
    "DB_IAM_USER": "",
    "DB_MARK": "",
    "DB_PROXY": "false",
    "DB_SECRET_ID": "",
    "DB_TLS_CA": "",
    "POWERTOOLS_METRICS_NAMESPACE": "Lending",
    "REDIS_DB": "1",
    "REDIS_IAM_CACHE": "",
    "REDIS_IAM_SERVERLESS": "false",
    "REDIS_IAM_USER": "",
    "REDIS_SECRET_ID": "",
    "REDIS_TLS": "false",
    "REDIS_TLS_CA": "",
}
"""Variables whose values come from resources that only a stack has."""


def write_sam_environment(environ: Mapping[str, str], path: Path = SAM_ENV) -> None:
    """Write the file for `sam local --env-vars`, readable by its owner alone: it may hold a password."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(sam_environment(environ), indent=2) + "\n")


def sam_environment(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the variables of the stores for each function of the template, with the values right for a container."""
    variables = {
        name: value for name, value in environ.items() if name.startswith(("DB_", "REDIS_")) or name == SECRETS_URL
    }
    for name in HOSTS_AND_PORTS:
        # In a container "localhost" is the container.
        if variables.get(name) in LOOPBACK:
            variables[name] = HOST_FROM_CONTAINERS
    secrets = urlsplit(variables.get(SECRETS_URL, ""))
    if secrets.hostname in LOOPBACK:
        variables[SECRETS_URL] = f"{secrets.scheme}://{HOST_FROM_CONTAINERS}:{secrets.port}"
    return {"Parameters": WITHOUT_A_STACK | variables}


def start_relay(environ: Mapping[str, str], folder: Path) -> LocalProcess | None:
    """Start the process that forwards containers' connections to the servers, or return None where none is needed.

    Args:
        environ: Variables that name the servers.
        folder: Where the process keeps its log, and its record for `make down`.
    """
    ports = [
        environ.get(port, default) for host, (port, default) in HOSTS_AND_PORTS.items() if environ.get(host) in LOOPBACK
    ]
    secrets = urlsplit(environ.get(SECRETS_URL, ""))
    if secrets.hostname in LOOPBACK:
        ports.append(str(secrets.port))
    if not ports or docker_relay.bridge_address() is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    relay = LocalProcess([sys.executable, docker_relay.__file__, *ports], folder)
    relay.start()
    return relay
