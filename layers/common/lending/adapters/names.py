"""The addresses behind a host's name. A resolver that stays silent holds nobody up."""

import socket
from functools import partial
from typing import Any, NamedTuple

from lending.adapters.aside import Aside


class Address(NamedTuple):
    """Where a socket connects to."""

    family: int
    sockaddr: tuple[Any, ...]


class NameResolver:
    """Looks a name up aside, and keeps what it found until it is told to forget it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._looking_up = Aside(partial(_look_up, host, port))
        self._addresses: list[Address] = []

    def addresses(self, seconds: float) -> list[Address]:
        """Return the addresses, best first.

        Args:
            seconds: How long to wait for them.
        Raises:
            OSError: There are none, or none came in time.
        """
        if not self._addresses:
            try:
                # An address in digits needs no resolver, and so no thread.
                self._addresses = _look_up(self._host, self._port, socket.AI_NUMERICHOST)
            except socket.gaierror:
                self._addresses = self._looking_up.result(seconds)
        return self._addresses

    def forget(self) -> None:
        """Look the name up anew next time: behind it may be another host by now."""
        self._addresses = []


def connected_socket(addresses: list[Address], seconds: float) -> socket.socket:
    """Return a socket that is connected to the first of the addresses that accepts.

    Args:
        addresses: At least one.
        seconds: How long each may take.
    Raises:
        OSError: None accepts; the last one's failure.
    """
    failure = OSError("there is no address")
    for address in addresses:
        connecting = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connecting.settimeout(seconds)
            connecting.connect(address.sockaddr)
        except OSError as exc:
            connecting.close()
            failure = exc
        else:
            return connecting
    raise failure


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
