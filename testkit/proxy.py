"""A TCP proxy on the loopback interface that can refuse, freeze, delay, garble, lose and cut traffic."""

import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536
POLL_SECONDS = 0.02
FAREWELL_SECONDS = 0.3
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds


class Action(Enum):
    """The fate of a piece: bytes that arrived together, usually one request or one reply."""

    PASS = auto()
    DROP = auto()
    """The piece is lost on the way."""
    CUT = auto()
    """The connection is reset instead."""
    DROP_REPLY = auto()
    """For a request: the server gets it, and its reply is lost."""
    CUT_REPLY = auto()
    """For a request: the server gets it, and the connection is reset when its reply arrives."""


Fate = Action | bytes
"""Bytes stand in for the piece: the client gets them, and for a request the server gets nothing."""
Hook = Callable[[bytes], Fate]

FATE_OF_REPLY = {Action.DROP_REPLY: Action.DROP, Action.CUT_REPLY: Action.CUT}


def pass_all(_: bytes) -> Action:
    """Let every piece pass."""
    return Action.PASS


@dataclass(frozen=True)
class _Mode:
    frozen: bool = False
    delay_seconds: float = 0.0
    garbage: bytes | None = None
    cut_after_bytes: int | None = None


@dataclass(frozen=True)
class _Held:
    """A reply on its way."""

    due_at: float
    piece: bytes
    fate: Action | None


class Proxy:
    """Listens on `port` of HOST and forwards everything to a server.

    pass_on(), refuse(), freeze(), delay(), answer() and cut_replies() each replace the previous one. The hooks
    `on_request` and `on_reply` decide about each piece. They run in the thread of its connection, which waits for them.
    """

    def __init__(self, host: str, port: int) -> None:
        """Take the address where the server listens."""
        self.on_request: Hook = pass_all
        self.on_reply: Hook = pass_all
        self._server = (host, port)
        self._mode = _Mode()
        self._thawed = threading.Event()
        self._relays: dict[socket.socket, threading.Thread] = {}
        self._forgotten: set[socket.socket] = set()
        self._listening = False
        self._listener = _bound(0)
        self.port: int = self._listener.getsockname()[1]
        self.pass_on()

    def pass_on(self) -> None:
        """Forward everything, beginning with what freeze() held back."""
        self._switch(_Mode())

    def refuse(self) -> None:
        """Reset the open connections and refuse new ones."""
        self.close()
        self._listener = _bound(self.port)  # does not listen, and so refuses, but keeps the port

    def freeze(self) -> None:
        """Accept connections and hold everything back, like a host that hangs."""
        self._switch(_Mode(frozen=True))

    def delay(self, seconds: float) -> None:
        """Hold every reply back for this long; requests pass meanwhile."""
        self._switch(_Mode(delay_seconds=seconds))

    def answer(self, garbage: bytes) -> None:
        """Forward no request, and answer each with these bytes."""
        self._switch(_Mode(garbage=garbage))

    def cut_replies(self, after_bytes: int) -> None:
        """Let this many bytes of a reply pass, then reset its connection."""
        self._switch(_Mode(cut_after_bytes=after_bytes))

    def lead_to(self, host: str, port: int) -> None:
        """Connect new clients to another server and reset the open connections, as a failover does."""
        self.lead_new_to(host, port)
        self.refuse()
        self.pass_on()

    def lead_new_to(self, host: str, port: int) -> None:
        """Lead new connections to another server; those that are open stay where they are."""
        self._server = (host, port)

    def forget_flows(self) -> None:
        """Swallow whatever comes by the connections that are open, as a firewall does; new ones pass."""
        self._forgotten |= set(self._relays)

    def close(self) -> None:
        """Reset the open connections and stop listening."""
        if self._listening:
            self._listening = False
            self._acceptor.join()
        for client in list(self._relays):
            with suppress(OSError):  # it may be ending by itself
                _reset_on_close(client)
                client.shutdown(socket.SHUT_RD)  # wakes its thread, which closes it
        self._thawed.set()
        for relay in list(self._relays.values()):
            relay.join()
        self._listener.close()

    def _switch(self, mode: _Mode) -> None:
        self._mode = mode
        if mode.frozen:
            self._thawed.clear()
        else:
            self._thawed.set()
        if not self._listening:
            self._listening = True
            self._listener.listen()
            self._acceptor = threading.Thread(target=self._accept, daemon=True)
            self._acceptor.start()

    def _accept(self) -> None:
        while self._listening:
            if select.select([self._listener], [], [], POLL_SECONDS)[0]:
                client, _ = self._listener.accept()
                self._relays[client] = threading.Thread(target=self._serve, args=[client], daemon=True)
                self._relays[client].start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._thawed.wait()
            with socket.create_connection(self._server) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # no delay but the one asked for
                self._relay(client, server)
        self._forgotten.discard(client)
        del self._relays[client]

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Forward pieces until one side closes or the client must be reset."""
        fate_of_reply: Action | None = None
        held: deque[_Held] = deque()
        while True:
            wait = max(held[0].due_at - time.monotonic(), 0) if held else None
            open_ends = [client] if held and not held[-1].piece else [client, server]
            for source in select.select(open_ends, [], [], wait)[0]:
                self._thawed.wait()
                piece = source.recv(CHUNK_BYTES)
                if not self._listening:
                    return
                if source is client and not piece:
                    _take_leave(server)
                    return
                if source is server:
                    held.append(_Held(time.monotonic() + self._mode.delay_seconds, piece, fate_of_reply))
                else:
                    action = self._pass_request(piece, client, server)
                    fate_of_reply = FATE_OF_REPLY.get(action)
                    if action is Action.CUT:
                        _reset_on_close(client)
                        return
            while held and held[0].due_at <= time.monotonic():
                if not self._pass_reply(held.popleft(), client):
                    return

    def _pass_request(self, piece: bytes, client: socket.socket, server: socket.socket) -> Action:
        if client in self._forgotten:
            return Action.DROP
        fate = self._mode.garbage if self._mode.garbage is not None else self.on_request(piece)
        if isinstance(fate, bytes):
            client.sendall(fate)
            return Action.DROP
        if fate not in {Action.DROP, Action.CUT}:
            server.sendall(piece)
        return fate

    def _pass_reply(self, held: "_Held", client: socket.socket) -> bool:
        """Do with a reply what is to be done; return whether the connection goes on."""
        self._thawed.wait()
        if not held.piece:
            return False  # the server has closed it
        if self._mode.cut_after_bytes is not None:
            client.sendall(held.piece[: self._mode.cut_after_bytes])
            _reset_on_close(client)
            return False
        fate = held.fate or self.on_reply(held.piece)
        if fate is Action.CUT:
            _reset_on_close(client)
            return False
        if fate is not Action.DROP:
            with suppress(OSError):  # whoever has gone may have left a request, which still counts
                client.sendall(fate if isinstance(fate, bytes) else held.piece)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _take_leave(server: socket.socket) -> None:
    """Say that nothing more comes, and listen on: with a reset, a TLS server would drop what it has not read yet."""
    server.shutdown(socket.SHUT_WR)
    server.settimeout(FAREWELL_SECONDS)
    while server.recv(CHUNK_BYTES):
        pass


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


def _reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
