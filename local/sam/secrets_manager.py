"""Secrets Manager on this machine (moto's server), so that the functions fetch their logins as they do on AWS."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import boto3

from local.servers.owners import own
from local.servers.process import LocalProcess
from local.servers.server import HOST, Server, accepts_connections, start_on

REGION: Final = "eu-west-1"
LOGIN = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}
"""moto accepts any credentials. Without these, boto3 would look for real ones."""


def start_secrets_manager(folder: Path, port: int | None = None) -> Server:
    """Start a private, empty Secrets Manager on 127.0.0.1; it forgets everything when it stops.

    Args:
        folder: An own folder for its log; made if missing.
        port: None takes a free one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    own(folder)

    def make(port: int) -> Server:
        process = LocalProcess([sys.executable, "-m", "moto.server", "--host", HOST, "--port", str(port)], folder)
        environment = LOGIN | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{HOST}:{port}"}
        return Server(
            "Secrets Manager",
            process,
            port=port,
            environment=environment,
            answers=lambda: process.running() and accepts_connections(HOST, port),
        )

    return start_on(port, make)


def put_login(server: Server, secret_id: str, user: str, password: str) -> None:
    """Store a login in RDS's form, in place of the previous one."""
    client = boto3.client(
        "secretsmanager",
        endpoint_url=server.environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"],
        region_name=REGION,
        aws_access_key_id=LOGIN["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOGIN["AWS_SECRET_ACCESS_KEY"],
    )
    text = json.dumps({"username": user, "password": password})
    try:
        client.create_secret(Name=secret_id, SecretString=text)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=secret_id, SecretString=text)


def with_secret(environment: Mapping[str, str], server: Server, secret_id: str) -> dict[str, str]:
    """Store the login in DB_USER and DB_PASSWORD as a secret; return the variables with the secret's id instead."""
    put_login(server, secret_id, environment["DB_USER"], environment["DB_PASSWORD"])
    without = {name: value for name, value in environment.items() if name not in {"DB_USER", "DB_PASSWORD"}}
    return without | server.environment | {"DB_SECRET_ID": secret_id}
