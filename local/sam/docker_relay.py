"""Lets containers reach servers that listen only on this machine's loopback address.

On Linux a container sees this machine at the address of Docker's bridge, where servers that are bound to 127.0.0.1 do
not listen. `python local/sam/docker_relay.py PORT...` listens there on the same ports and forwards every connection
until it is stopped. Docker Desktop does this by itself, and has no bridge on this side.
"""

import asyncio
import contextlib
import socket
import sys

import psutil

BRIDGE = "docker0"
LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1024


def bridge_address() -> str | None:
    """Return this machine's IPv4 address on Docker's default bridge, or None when it has no such bridge."""
    addresses = psutil.net_if_addrs().get(BRIDGE, [])
    return next((each.address for each in addresses if each.family == socket.AF_INET), None)


async def serve(address: str, ports: list[int]) -> None:
    """Forward connections from these ports of the address to the same ports of the loopback address, until stopped."""
    async with contextlib.AsyncExitStack() as listeners:
        for port in ports:
            await listeners.enter_async_context(await asyncio.start_server(_forward, address, port))
        await asyncio.Event().wait()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    port = writer.get_extra_info("sockname")[1]
    try:
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        writer.close()  # nobody listens there; a close is the closest thing to a refusal
        return
    await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


def main() -> None:
    """Relay the ports given as arguments."""
    address = bridge_address()
    if address is None:
        sys.exit(f"docker_relay: there is no {BRIDGE} on this machine")
    asyncio.run(serve(address, [int(port) for port in sys.argv[1:]]))


if __name__ == "__main__":
    main()
