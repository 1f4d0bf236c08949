"""One Redis connection per execution environment: bounded waits, no retry storms, and one word for every failure."""

import re
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import lending.adapters.redis_package  # noqa: F401 - before redis, whose initialiser it leaves out

# isort: split
from redis.connection import Connection
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from typing_extensions import override

from lending import clock
from lending.adapters.breaker import Breaker
from lending.adapters.logins import Login, LoginSource, LoginUnavailableError
from lending.adapters.names import NameResolver
from lending.config import Settings
from lending.observability import logger
from lending.patience import Patience
from lending.ports import BypassReason, CacheAwayError

Command = tuple[Any, ...]

PASSING = (AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
PASSING_CODES = ("BUSY", "NOREPLICAS", "UNKILLABLE")
"""Errors that pass by themselves; any other is a mistake in the settings of this service or of Redis."""
CONNECTION_ENDED = (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError)
"""Errors of TLS that are no refusal; any other says that the two ends will not agree: certificate, version, no TLS."""
LEADING_WORDS = re.compile(r"[A-Za-z_ ]{0,60}")
"""What may be logged of an error that Redis replied: no argument, which may be a customer's salary."""


class Wait(NamedTuple):
    """How long one exchange may take, in seconds."""

    total: float
    """For names, connection, login and replies together."""
    reply: float
    """For each reply."""
    resumes: bool = False
    """Whether to go on with a TLS handshake that the one before has given up waiting for: a writer's command must be
    sent, and twice a writer's time is more than a reader has."""


class _Waiting(NamedTuple):
    """A wait that has begun."""

    deadline: float
    reply: float
    resumes: bool

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            RedisTimeoutError: There are none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise RedisTimeoutError("No time left to wait")
        return left

    def for_reply(self) -> float:
        """Return the seconds in which a reply must come; as left()."""
        return min(self.reply, self.left())


class RedisConnection:
    """Opened on first use, kept while warm, and dropped once it has failed.

    A new connection's login and database number go out with its first commands, in one write: so a command reaches
    Redis however late the replies are. A script must select the database itself, for then it does nothing where the
    number is refused.

    Args:
        settings: Where Redis is.
        login: Where the user and password come from, if it wants any.
        patience: How long to connect and to trust a kept connection.
    """

    def __init__(self, settings: Settings, login: LoginSource | None, patience: Patience) -> None:
        self._settings = settings
        self._login = login
        self._patience = patience
        self.host, self.port = settings.redis_host, settings.redis_port
        self._names = NameResolver(self.host, self.port)
        self._connection: Connection | None = None
        self._handshaking: ssl.SSLSocket | None = None
        self._owed = 0
        """Replies to what was sent on the connection that nobody has read yet."""
        self._login_owed = False
        """Whether the login's is among them."""
        self._ahead: Command | None = None
        """What was sent last, if nobody has asked for it yet."""
        self._opened_at = clock.LONG_AGO
        self._used_at = clock.LONG_AGO
        self.breaker = Breaker(patience.breaker_open)
        """Whoever can do without a reply asks it first; the connection itself lets everything through."""

    def prepare(self) -> None:
        """Do what takes time and no waiting, so that no wait need count it."""
        if self._settings.redis_tls:
            with suppress(OSError):  # it is told when the first command is sent
                self._tls  # noqa: B018 - made by being looked at

    def ask(self, *command: Any, wait: Wait) -> Any:
        """Return Redis's reply to one command; an error about the key itself reads as an empty value.

        Raises:
            CacheAwayError: There was no reply.
        """
        return self.ask_all([command], wait=wait)[0]

    def ask_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        """Return Redis's replies to commands that it is sent all at once, in one round trip; as ask()."""
        return self.exchange(commands, wait=wait)

    def try_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        """Return the replies as ask_all() does; that of a node that is away is the CacheAwayError, if others reply."""
        return self.ask_all(commands, wait=wait)

    def send_ahead(self, command: Command) -> None:
        """Send a command whose reply whoever asks the same next will read; only where nothing has to be waited for.

        Elsewhere nothing is sent: whoever asks it sends it.
        """
        connection, ahead = self._connection, self._ahead
        idle = clock.seconds_since(self._used_at) > self._patience.cache_idle
        # What was sent ahead before may be sent again: its first reply says nothing of now.
        self._ahead = None
        if connection is None or idle or self._owed > (ahead is not None) or self.breaker.failures:
            return
        try:
            self._send(connection, [command])
        except (RedisConnectionError, RedisTimeoutError, OSError):
            self._drop()
        else:
            self._ahead = command

    def node_of(self, key: str) -> "RedisConnection":  # noqa: ARG002 - here is but one
        """Return the connection that leads to a key, with the breaker that counts its failures."""
        return self

    def nodes(self) -> "Sequence[RedisConnection]":
        """Return the connections to all nodes that have keys."""
        return [self]

    def beside(self, host: str, port: int) -> "RedisConnection":
        """Return a connection to another node of the same cluster."""
        another = RedisConnection(
            replace(self._settings, redis_host=host, redis_port=port), self._login, self._patience
        )
        if self._settings.redis_tls:
            another._tls = self._tls
        return another

    def exchange(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        """Return this node's own replies; where it sends one elsewhere, that is its reply.

        Raises:
            CacheAwayError: There was no reply.
        """
        if self._connection is not None and clock.seconds_since(self._used_at) > self._patience.cache_idle:
            self.close()
        waiting = _Waiting(time.monotonic() + wait.total, wait.reply, wait.resumes)
        try:
            replies = self._exchange_once_more_if_closed(commands, waiting)
        except Exception as exc:  # a server that talks nonsense can make the client raise anything
            raise self.away(exc) from exc
        self._used_at = clock.now()
        if self.breaker.failures:
            self.breaker.succeeded()
        return replies

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self._drop()
        begun, self._handshaking = self._handshaking, None
        if begun is not None:
            begun.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def away(self, exc: Exception) -> CacheAwayError:
        """Drop the connection after a failure, log it, and return what to raise."""
        if not (isinstance(exc, RedisTimeoutError) and self._is_logging_in()):
            self._drop()  # whatever is still under way on it, or a demoted primary at its other end
        self.breaker.failed()
        if isinstance(exc, ReadOnlyError):
            self._names.forget()
        if is_mistake(exc):
            logger.error("The score cache refuses this service", extra={"reason": in_words(exc)})
            return CacheAwayError(BypassReason.MISCONFIGURED)
        logger.warning("The score cache is away", extra={"reason": in_words(exc)})
        return CacheAwayError(BypassReason.UNAVAILABLE)

    def _exchange_once_more_if_closed(self, commands: Sequence[Command], waiting: _Waiting) -> list[Any]:
        """Ask again on a new connection when the server has closed a kept one; all commands bear repetition."""
        kept = self._connection is not None
        try:
            return self._exchange(commands, waiting)
        except RedisConnectionError:
            if not kept:
                raise
            self.close()
            return self._exchange(commands, waiting)

    def _is_logging_in(self) -> bool:
        """Return whether the login may yet be accepted: IAM's may take longer than anybody waits for a reply.

        Whoever comes next goes on waiting for it. On another connection it would begin anew, and never end.
        """
        return self._login_owed and clock.seconds_since(self._opened_at) < self._patience.cache_login

    def _exchange(self, commands: Sequence[Command], waiting: _Waiting) -> list[Any]:
        ahead, self._ahead = self._ahead, None
        try:
            if self._connection is None:
                return self._exchange_as(self._login.current() if self._login else None, commands, waiting)
            if self._owed and self._want_selected(commands):
                self._replies(self._connection, 0, waiting)
            if list(commands) != [ahead]:
                self._send(self._connection, commands)
            return self._replies(self._connection, len(commands), waiting)
        except AuthenticationError:
            if self._login is None:
                raise
            # The password may have been rotated since it was fetched.
            self.close()
            return self._exchange_as(self._login.renewed(), commands, waiting)

    def _exchange_as(self, login: Login | None, commands: Sequence[Command], waiting: _Waiting) -> list[Any]:
        prelude: list[Command] = [] if login is None else [("AUTH", login.user, login.password)]
        if self._settings.redis_db != 0:
            prelude.append(("SELECT", self._settings.redis_db))
        connection = self._connection = self._connect(waiting)
        self._owed, self._login_owed = 0, login is not None
        self._opened_at = self._used_at = clock.now()
        if self._want_selected(commands):
            self._send(connection, prelude)
            self._replies(connection, 0, waiting)
            self._send(connection, commands)
        else:
            self._send(connection, [*prelude, *commands])
        return self._replies(connection, len(commands), waiting)

    def _want_selected(self, commands: Sequence[Command]) -> bool:
        """Return whether another database would carry them out: they wait until this one is known to be selected."""
        return self._settings.redis_db != 0 and any(command[0] != "EVAL" for command in commands)

    def _send(self, connection: Connection, commands: Sequence[Command]) -> None:
        self._owed += len(commands)
        connection.send_packed_command([packed(commands)], check_health=False)

    def _replies(self, connection: Connection, count: int, waiting: _Waiting) -> list[Any]:
        """Return the replies to what was sent last, once those to what was sent before have come."""
        replies: list[Any] = []
        while self._owed:
            reply = _reply(connection, waiting)
            self._login_owed = False  # it came first
            self._owed -= 1
            if self._owed < count:
                replies.append(reply)
        return replies

    def _connect(self, waiting: _Waiting) -> Connection:
        connection = _OnSocket(  # type: ignore[no-untyped-call]  # redis-py's own lack
            host=self._settings.redis_host,
            port=self._settings.redis_port,
            socket_timeout=self._patience.cache_refresh,
            # RESP2 and no driver_info, login and database number later: nothing is sent on connecting.
            protocol=2,
            driver_info=None,
        )
        try:
            connection.connected = self._socket(waiting)
        except OSError:
            self._names.forget()
            raise
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py's own lack
        return connection

    def _socket(self, waiting: _Waiting) -> socket.socket:
        begun, self._handshaking = self._handshaking, None
        if begun is not None and waiting.resumes:
            try:
                return self._encrypted(begun, waiting)
            except TimeoutError:
                raise
            except OSError:
                pass  # it has ended meanwhile
        elif begun is not None:
            begun.close()
        tls = self._tls if self._settings.redis_tls else None
        connected = self._names.connected_socket(
            waiting.left(), self._patience.cache_connect, deadline=waiting.deadline
        )
        if tls is None:
            return connected
        wrapped = tls.wrap_socket(connected, server_hostname=self._settings.redis_host, do_handshake_on_connect=False)
        return self._encrypted(wrapped, waiting)

    def _encrypted(self, wrapped: ssl.SSLSocket, waiting: _Waiting) -> ssl.SSLSocket:
        """Return the socket once its handshake is done; one whose reply is late waits for whoever resumes it."""
        try:
            # What a TLS server says of itself is a reply, too. However little time is left, the asking is sent.
            wrapped.settimeout(min(waiting.reply, max(waiting.deadline - time.monotonic(), self._patience.cache_send)))
            wrapped.do_handshake()
        except TimeoutError:
            self._handshaking = wrapped
            raise
        except OSError:
            wrapped.close()
            raise
        return wrapped

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """What a server is verified with; made once, since reading the system's bundle takes some 20 ms."""
        context = ssl.create_default_context(cafile=self._settings.redis_tls_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


def packed(commands: Sequence[Command]) -> bytes:
    """Return commands in Redis's protocol, as redis-py packs them, in a quarter of its time; it took 5 % of a hit's."""
    return b"".join([_packed(command) for command in commands])


def _packed(command: Command) -> bytes:
    sent = [each if isinstance(each, bytes) else str(each).encode() for each in command]
    return b"*%d\r\n%b" % (len(sent), b"".join([b"$%d\r\n%b\r\n" % (len(each), each) for each in sent]))


class _OnSocket(Connection):
    """A connection on a socket that is there already."""

    connected: socket.socket

    @override
    def _connect(self) -> socket.socket:
        return self.connected


def is_mistake(exc: BaseException) -> bool:
    """Return whether the failure will not pass until somebody changes the settings of this service or of Redis."""
    if isinstance(exc, ResponseError):
        return not isinstance(exc, PASSING) and not str(exc).startswith(PASSING_CODES)
    cause = _root(exc)
    if isinstance(cause, ssl.SSLError):
        return not isinstance(cause, CONNECTION_ENDED)
    return isinstance(exc, AuthenticationError) or isinstance(cause, FileNotFoundError)  # of a bundle


def in_words(exc: BaseException) -> str:
    """Return what may be logged of a failure: what kind it is and, where no value can be in them, its words."""
    name = type(exc).__name__
    if isinstance(exc, ResponseError):
        return f"{name}: {exc.status_code or ''} {LEADING_WORDS.match(str(exc))[0]}".strip()  # type: ignore[index]
    told = isinstance(exc, RedisConnectionError | RedisTimeoutError | OSError | LoginUnavailableError)
    return f"{name}: {exc}" if told else name


def _root(exc: BaseException) -> BaseException:
    cause = exc.__cause__ or exc.__context__
    return exc if cause is None else _root(cause)


def _reply(connection: Connection, waiting: _Waiting) -> Any:
    try:
        return connection.read_response(timeout=waiting.for_reply(), disconnect_on_error=False)
    except AskError as exc:
        return exc
    except ResponseError as exc:
        if str(exc).startswith("WRONGTYPE"):
            return b""
        raise
