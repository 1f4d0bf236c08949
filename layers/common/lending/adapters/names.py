"""The addresses behind a host's name. A resolver that stays silent holds nobody up."""

import math
import socket
import time
from functools import partial
from typing import Any, NamedTuple

from lending.adapters.aside import Aside

SHORTEST = 0.001
"""Seconds that a connection may take when there is no time left; none at all would mean not to wait, in Python."""


class Address(NamedTuple):
    """Where a socket connects to."""

    family: int
    sockaddr: tuple[Any, ...]


class NameResolver:
    """Looks a name up aside, and keeps what it found until it is told to forget it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._looking_up: Aside[list[Address]] | None = None
        self._addresses: list[Address] = []

    def connected_socket(self, look_up: float, connect: float, *, deadline: float = math.inf) -> socket.socket:
        """Return a socket that is connected to the first of the addresses that accepts.

        Args:
            look_up: How many seconds to wait for the addresses.
            connect: How many seconds each of them may take.
            deadline: When all of it is over, by time.monotonic().
        Raises:
            OSError: There is no address, none came in time, or none accepts; the last one's failure.
        """
        failure = OSError("there is no address")
        for address in self._known(look_up):
            connecting = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connecting.settimeout(max(min(connect, deadline - time.monotonic()), SHORTEST))
                connecting.connect(address.sockaddr)
            except OSError as exc:
                connecting.close()
                failure = exc
            else:
                return connecting
        raise failure

    def forget(self) -> None:
        """Look the name up anew next time: behind it may be another host by now."""
        self._addresses = []

    def _known(self, seconds: float) -> list[Address]:
        if not self._addresses:
            try:
                # An address in digits needs no resolver, and so no thread.
                self._addresses = _look_up(self._host, self._port, socket.AI_NUMERICHOST)
            except socket.gaierror:
                self._looking_up = self._looking_up or Aside(partial(_look_up, self._host, self._port))
                self._addresses = self._looking_up.result(seconds)
        return self._addresses


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
