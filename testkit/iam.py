"""TLS servers that let in whoever has the token of IAM that AWS would want, and lead on to a store of one's own."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pymysql
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner, generate_db_auth_token
from pymysql.constants import CLIENT
from typing_extensions import override

from testkit.certificates import CERTIFIED_HOST, Authority

REGION: Final = "eu-central-1"
KEYS: Final = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/session+token==")
IN_LAMBDA = {
    "AWS_REGION": REGION,
    **dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), KEYS, strict=True)),
}
"""The variables from which a function in Lambda signs."""
VALID = timedelta(seconds=900)
MYSQL_OK = b"\x00\x00\x00\x02\x00\x00\x00"
CAPABILITIES = CLIENT.CAPABILITIES | CLIENT.CONNECT_WITH_DB | CLIENT.SSL
_emitter = HierarchicalEmitter()  # the signer keeps no reference of its own
_one_at_a_time = threading.Lock()


def cache_token(cache: str, query: str, keys: tuple[str, ...], region: str, at: datetime) -> str:
    """Return the token for a cache that botocore makes."""
    request = AWSRequest("GET", f"http://{cache}/?{query}")
    with _time(at):
        SigV4QueryAuth(_credentials(keys), "elasticache", region, 900).add_auth(request)
    return str(request.url).removeprefix("http://")


def database_token(host: str, port: int, user: str, keys: tuple[str, ...], region: str, at: datetime) -> str:
    """Return the token for a database that botocore makes."""
    signer = RequestSigner(ServiceId("RDS"), region, "rds", "v4", _credentials(keys), _emitter)
    client = SimpleNamespace(_request_signer=signer)  # all that it asks of a client
    with _time(at):
        return str(generate_db_auth_token(client, host, port, user, Region=region))


def _credentials(keys: tuple[str, ...]) -> Credentials:
    return Credentials(keys[0], keys[1], keys[2] or None)


@contextmanager
def _time(at: datetime) -> Iterator[None]:
    with _one_at_a_time, patch("botocore.auth.get_current_datetime", lambda: at):
        yield


@dataclass
class Door:
    """A store's entrance: whoever has the token of a user gets in, others are refused."""

    user: str
    behind: Mapping[str, str]
    """The variables DB_* or REDIS_* of the store behind it."""
    context: ssl.SSLContext
    port: int = 0
    tls: bool = True
    """Whether it speaks TLS at all."""
    entered: list[str] = field(default_factory=list)
    """The tokens that were let in."""
    refused: list[bytes] = field(default_factory=list)
    """What was shown by those who were not."""
    checks: threading.Event = field(default_factory=threading.Event)
    """Cleared, whoever comes waits for the check of the token."""

    def __post_init__(self) -> None:
        """Begin with checking at once."""
        self.checks.set()

    def serve(self, listening: socket.socket) -> None:
        """Let in whoever comes, until the socket is closed."""
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as any server; else 40 ms a login
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError, ValueError), client:
            self.enter(client)

    def enter(self, client: socket.socket) -> None:
        """Check a client, and lead it on."""
        raise NotImplementedError

    def token_for(self, at: datetime) -> str:
        """Return the one token that is right for a time."""
        raise NotImplementedError

    def is_right(self, token: bytes) -> bool:
        """Return whether it is the user's token, and not too old."""
        self.checks.wait()
        text = token.decode()
        dates = parse_qs(urlsplit(f"//{text}").query).get("X-Amz-Date")
        if dates:
            at = datetime.strptime(dates[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if abs(datetime.now(UTC) - at) < VALID and text == self.token_for(at):
                self.entered.append(text)
                return True
        self.refused.append(token)
        return False


class CacheDoor(Door):
    """A cache's: AUTH comes first, with whatever is sent along in the same write."""

    cache = "lending-scores"

    @override
    def token_for(self, at: datetime) -> str:
        return cache_token(self.cache, f"Action=connect&User={self.user}", KEYS, REGION, at)

    @override
    def enter(self, client: socket.socket) -> None:
        with self.context.wrap_socket(client, server_side=True) as encrypted, encrypted.makefile("rb") as reading:
            command = [_bulk(reading) for _ in range(int(reading.readline()[1:]))]
            if command[:2] != [b"AUTH", self.user.encode()] or not self.is_right(command[2]):
                encrypted.sendall(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
                return
            encrypted.sendall(b"+OK\r\n")
            with socket.create_connection((self.behind["REDIS_HOST"], int(self.behind["REDIS_PORT"]))) as store:
                _join(encrypted, reading, store)


class DatabaseDoor(Door):
    """A database's, as RDS has it: it switches to the clear-text plug-in, and takes a token where a password goes."""

    @override
    def token_for(self, at: datetime) -> str:
        return database_token(CERTIFIED_HOST, self.port, self.user, KEYS, REGION, at)

    @override
    def enter(self, client: socket.socket) -> None:
        can = CAPABILITIES if self.tls else CAPABILITIES & ~CLIENT.SSL
        salt = b"0123456789abcdefghij"
        greeting = b"\x0a8.4.0\x00" + struct.pack("<I8sxHBHHB10x", 1, salt[:8], can & 0xFFFF, 45, 2, can >> 16, 21)
        client.sendall(_packet(0, greeting + salt[8:] + b"\x00mysql_native_password\x00"))
        begun = _read_packet(client)
        if not self.tls:
            self.log_in(client, begun, sequence=2)
            return
        with self.context.wrap_socket(client, server_side=True) as encrypted:
            self.log_in(encrypted, _read_packet(encrypted), sequence=3)

    def log_in(self, client: socket.socket, begun: bytes, sequence: int) -> None:
        """Check what a client has begun its login with; the next packet has this number."""
        client.sendall(_packet(sequence, b"\xfemysql_clear_password\x00"))
        token = _read_packet(client).rstrip(b"\x00")
        user = begun[32 : begun.index(b"\x00", 32)]
        if user != self.user.encode() or not self.is_right(token):
            client.sendall(_packet(sequence + 2, b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied"))
            return
        self.lead_on(client, sequence + 2)

    def lead_on(self, client: socket.socket, sequence: int) -> None:
        """Let a client in; its next packet has this number."""
        store = pymysql.connect(
            host=self.behind["DB_HOST"],
            port=int(self.behind["DB_PORT"]),
            user=self.behind["DB_USER"],
            password=self.behind["DB_PASSWORD"],
            database=self.behind["DB_NAME"],
            ssl_disabled=True,
        )
        client.sendall(_packet(sequence, MYSQL_OK))
        with store, client.makefile("rb") as reading:
            _join(client, reading, store._sock)  # type: ignore[attr-defined]


@contextmanager
def opened(door: type[Door], user: str, behind: Mapping[str, str], folder: Path, *, tls: bool = True) -> Iterator[Door]:
    """Open a door to a store; `folder / "ca.pem"` verifies it."""
    folder.mkdir(exist_ok=True)
    authority = Authority(folder / "ca.pem")
    authority.certify(CERTIFIED_HOST, folder / "door.pem", folder / "door-key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "door.pem", folder / "door-key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = door(user, behind, context, listening.getsockname()[1], tls)
        threading.Thread(target=made.serve, args=[listening], daemon=True).start()
        yield made


def _packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def _read_packet(client: socket.socket) -> bytes:
    head = _exactly(client, 4)
    return _exactly(client, int.from_bytes(head[:3], "little"))


def _exactly(client: socket.socket, count: int) -> bytes:
    """Read so many bytes and none more: what follows may be encrypted."""
    read = b""
    while len(read) < count:
        part = client.recv(count - len(read))
        if not part:
            raise EOFError
        read += part
    return read


def _bulk(reading: BufferedReader) -> bytes:
    length = int(reading.readline()[1:])
    return reading.read(length + 2)[:-2]


def _join(client: socket.socket, reading: BufferedReader, store: socket.socket) -> None:
    """Pass on what either end says, until one has ended."""

    def answers() -> None:
        with suppress(OSError):
            while part := store.recv(65536):
                client.sendall(part)
            client.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=answers, daemon=True).start()
    while part := reading.read1(65536):
        store.sendall(part)
