"""`sam local` learns where the servers are, and the relay connects containers to the loopback address."""

import asyncio
import json
import socket
import stat
import sys
from pathlib import Path

import pytest

from local.sam import docker_relay
from local.sam.container_access import WITHOUT_A_STACK, sam_environment, start_relay, write_sam_environment

ENVIRONMENT = {
    "DB_HOST": "127.0.0.1",
    "DB_PORT": "20001",
    "DB_PASSWORD": "secret",
    "REDIS_HOST": "localhost",
    "REDIS_PORT": "20002",
    "HOME": "/home/somebody",
}
OTHER_LOOPBACK = "127.0.0.2"  # stands for the bridge

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the relay is for Linux, which has all of 127.0.0.0/8")


def test_loopback_is_named_as_containers_see_it_and_other_variables_stay_out() -> None:
    assert sam_environment(ENVIRONMENT)["Parameters"] == WITHOUT_A_STACK | {
        "DB_HOST": "host.docker.internal",
        "DB_PORT": "20001",
        "DB_PASSWORD": "secret",
        "REDIS_HOST": "host.docker.internal",
        "REDIS_PORT": "20002",
    }


def test_a_server_elsewhere_keeps_its_name() -> None:
    assert sam_environment({"DB_HOST": "db.example.com"})["Parameters"]["DB_HOST"] == "db.example.com"


def test_secrets_are_fetched_from_this_machine_where_they_are_kept_here() -> None:
    given = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:20003", "DB_SECRET_ID": "lending/database"}

    variables = sam_environment(given)["Parameters"]

    assert variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] == "http://host.docker.internal:20003"
    assert variables["DB_SECRET_ID"] == "lending/database"


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "sam-env.json"

    write_sam_environment(ENVIRONMENT, file)

    assert json.loads(file.read_text()) == sam_environment(ENVIRONMENT)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_relay_without_a_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_relay, "bridge_address", lambda: None)

    assert start_relay(ENVIRONMENT, tmp_path / "relay") is None
    assert not (tmp_path / "relay").exists()


def test_no_relay_to_servers_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_relay, "bridge_address", lambda: OTHER_LOOPBACK)

    assert start_relay({"DB_HOST": "db.example.com", "REDIS_HOST": "cache.example.com"}, tmp_path / "relay") is None


@on_linux
def test_the_relay_passes_bytes_both_ways_and_the_end_of_either_side() -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def ask() -> bytes:
        async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            relay = asyncio.create_task(docker_relay.serve(OTHER_LOOPBACK, [port]))
            reader, writer = await _connect_when_ready(port)
            writer.write(b"ping\n")
            answer = await reader.read()
            writer.close()
            relay.cancel()
            return answer

    assert asyncio.run(asyncio.wait_for(ask(), timeout=5)) == b"PING\n"


@on_linux
def test_the_relay_closes_when_the_server_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async def ask() -> bytes:
        relay = asyncio.create_task(docker_relay.serve(OTHER_LOOPBACK, [port]))
        reader, writer = await _connect_when_ready(port)
        answer = await reader.read()
        writer.close()
        relay.cancel()
        return answer

    assert asyncio.run(asyncio.wait_for(ask(), timeout=5)) == b""


async def _connect_when_ready(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection(OTHER_LOOPBACK, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
