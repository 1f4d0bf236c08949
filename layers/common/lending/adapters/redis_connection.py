"""One Redis connection per execution environment: bounded waits, no retry storms, and one word for every failure."""

import re
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import (
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
from lending.adapters.names import NameResolver, connected_socket
from lending.config import Settings
from lending.observability import logger
from lending.patience import Patience
from lending.ports import BypassReason, CacheAwayError

Command = tuple[Any, ...]

PASSING = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
PASSING_CODES = ("BUSY", "NOREPLICAS", "UNKILLABLE")
"""Errors that pass by themselves; any other is a mistake in the settings of this service or of Redis."""
LEADING_WORDS = re.compile(r"[A-Za-z_ ]{0,60}")
"""What may be logged of an error that Redis replied: no argument, which may be a customer's salary."""


class Wait(NamedTuple):
    """How long one exchange may take, in seconds."""

    total: float
    """For names, connection, login and replies together."""
    reply: float
    """For each reply."""


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
        self._names = NameResolver(settings.redis_host, settings.redis_port)
        self._connection: redis.Connection | None = None
        self._used_at = clock.now()
        self.breaker = Breaker(patience.breaker_open)
        """Whoever can do without a reply asks it first; the connection itself lets everything through."""

    def ask(self, *command: Any, wait: Wait) -> Any:
        """Return Redis's reply to one command; an error about the key itself reads as an empty value.

        Raises:
            CacheAwayError: There was no reply.
        """
        return self.ask_all([command], wait=wait)[0]

    def ask_all(self, commands: Sequence[Command], *, wait: Wait) -> list[Any]:
        """Return Redis's replies to commands that it is sent all at once, in one round trip; as ask()."""
        if self._connection is not None and clock.seconds_since(self._used_at) > self._patience.cache_idle:
            self.close()
        deadline = time.monotonic() + wait.total
        try:
            replies = self._exchange_once_more_if_closed(commands, deadline, wait.reply)
        except Exception as exc:  # a server that talks nonsense can make the client raise anything
            raise self.away(exc) from exc
        self._used_at = clock.now()
        self.breaker.succeeded()
        return replies

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def away(self, exc: Exception) -> CacheAwayError:
        """Drop the connection after a failure, log it, and return what to raise."""
        self.close()  # whatever is still under way on it, or a demoted primary at its other end
        self.breaker.failed()
        if isinstance(exc, ReadOnlyError):
            self._names.forget()
        if is_mistake(exc):
            logger.error("The score cache refuses this service", extra={"reason": in_words(exc)})
            return CacheAwayError(BypassReason.MISCONFIGURED)
        logger.warning("The score cache is away", extra={"reason": in_words(exc)})
        return CacheAwayError(BypassReason.UNAVAILABLE)

    def _exchange_once_more_if_closed(
        self, commands: Sequence[Command], deadline: float, reply_seconds: float
    ) -> list[Any]:
        """Ask again on a new connection when the server has closed a kept one; all commands bear repetition."""
        kept = self._connection is not None
        try:
            return self._exchange(commands, deadline, reply_seconds)
        except RedisConnectionError:
            if not kept:
                raise
            self.close()
            return self._exchange(commands, deadline, reply_seconds)

    def _exchange(self, commands: Sequence[Command], deadline: float, reply_seconds: float) -> list[Any]:
        connection = self._connection
        if connection is None:
            return self._first_exchange(commands, deadline, reply_seconds)
        connection.send_packed_command(connection.pack_commands(commands))
        return [_reply(connection, deadline, reply_seconds) for _ in commands]

    def _first_exchange(self, commands: Sequence[Command], deadline: float, reply_seconds: float) -> list[Any]:
        login = self._login.current() if self._login else None
        try:
            return self._exchange_as(login, commands, deadline, reply_seconds)
        except AuthenticationError:
            if self._login is None:
                raise
            # The password may have been rotated since it was fetched.
            self.close()
            return self._exchange_as(self._login.renewed(), commands, deadline, reply_seconds)

    def _exchange_as(
        self, login: Login | None, commands: Sequence[Command], deadline: float, reply_seconds: float
    ) -> list[Any]:
        prelude: list[Command] = [] if login is None else [("AUTH", login.user, login.password)]
        if self._settings.redis_db != 0:
            prelude.append(("SELECT", self._settings.redis_db))
        connection = self._connection = self._connect(deadline)
        if any(command[0] != "EVAL" for command in commands):
            # Another database would carry them out: they wait until this one is known to be selected.
            connection.send_packed_command(connection.pack_commands(prelude))
            for _ in prelude:
                _reply(connection, deadline, reply_seconds)
            return self._exchange(commands, deadline, reply_seconds)
        connection.send_packed_command(connection.pack_commands([*prelude, *commands]))
        return [_reply(connection, deadline, reply_seconds) for _ in [*prelude, *commands]][len(prelude) :]

    def _connect(self, deadline: float) -> redis.Connection:
        tls: dict[str, Any] = {}
        connection_class: type[_Plain] = _Plain
        if self._settings.redis_tls:
            connection_class = _Encrypted
            tls = {"ssl_ca_certs": self._settings.redis_tls_ca, "ssl_min_version": ssl.TLSVersion.TLSv1_3}
        connection = connection_class(
            host=self._settings.redis_host,
            port=self._settings.redis_port,
            socket_timeout=self._patience.cache_refresh,
            # RESP2 and no driver_info, login and database number later: nothing is sent on connecting.
            protocol=2,
            driver_info=None,
            **tls,
        )
        try:
            connection.connected = self._socket(deadline)
            connection.connect()  # type: ignore[no-untyped-call]  # redis-py's own lack
        except (RedisConnectionError, RedisTimeoutError, OSError):
            self._names.forget()
            raise
        return connection

    def _socket(self, deadline: float) -> socket.socket:
        addresses = self._names.addresses(_left(deadline))
        connected = connected_socket(addresses, min(self._patience.cache_connect, _left(deadline)))
        connected.settimeout(_left(deadline))
        return connected


class _Plain(redis.Connection):
    """A connection on a socket that is there already."""

    connected: socket.socket

    @override
    def _connect(self) -> socket.socket:
        return self.connected


class _Encrypted(redis.SSLConnection, _Plain):
    """The same, encrypted."""


def is_mistake(exc: BaseException) -> bool:
    """Return whether the failure will not pass until somebody changes the settings of this service or of Redis."""
    if isinstance(exc, ResponseError):
        return not isinstance(exc, PASSING) and not str(exc).startswith(PASSING_CODES)
    return isinstance(exc, AuthenticationError) or isinstance(_root(exc), ssl.SSLCertVerificationError)


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


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise RedisTimeoutError("No time left to wait")
    return left


def _reply(connection: redis.Connection, deadline: float, reply_seconds: float) -> Any:
    try:
        return connection.read_response(timeout=min(reply_seconds, _left(deadline)))
    except ResponseError as exc:
        if str(exc).startswith("WRONGTYPE"):
            return b""
        raise
