"""One Redis connection per execution environment: short timeouts, no retry storms, and one word for every failure."""

import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from lending.adapters.breaker import Breaker
from lending.adapters.logins import Login, LoginSource, LoginUnavailableError
from lending.config import Settings
from lending.observability import logger
from lending.patience import Patience
from lending.ports import BypassReason, CacheAwayError

Command = tuple[Any, ...]


class RedisConnection:
    """Opened on first use, kept while warm, and dropped once it has failed.

    Args:
        settings: Where Redis is.
        login: Where the user and password come from, if it wants any.
        patience: How long to wait.
        reply_seconds: How long to wait for a reply where no request waits; then no reply counts as slow.
    """

    def __init__(
        self, settings: Settings, login: LoginSource | None, patience: Patience, *, reply_seconds: float | None = None
    ) -> None:
        self._settings = settings
        self._login = login
        self._patience = patience
        self._reply_seconds = reply_seconds
        self._connection: redis.Connection | None = None
        self.breaker = Breaker(patience.breaker_open)
        """Whoever can do without an answer asks it first; the connection itself lets everything through."""

    def ask(self, *command: Any, patience: float | None = None) -> Any:
        """Return Redis's reply to one command; an error about the key itself reads as an empty value.

        Args:
            command: The command and its arguments.
            patience: Seconds to wait for each reply; None as long as for any other.
        Raises:
            CacheAwayError: There was no reply.
        """
        return self.ask_all([command], patience=patience)[0]

    def ask_for_value(self, *command: Any, patience: float | None = None) -> bytes | None:
        """Return the value that Redis replies to one command; as ask(), and any other kind of reply counts as none."""
        reply = self.ask(*command, patience=patience)
        if reply is not None and not isinstance(reply, bytes):
            raise self._away(TypeError(f"a reply of type {type(reply).__name__}"))
        return reply

    def ask_all(self, commands: Sequence[Command], *, patience: float | None = None) -> list[Any]:
        """Return Redis's replies to commands that it is sent all at once, in one round trip; as ask()."""
        patience = patience or self._reply_seconds or self._patience.cache_reply
        started_at = time.monotonic()
        try:
            replies = self._exchange_once_more_if_closed(commands, patience)
        except Exception as exc:  # a server that talks nonsense can make the client raise anything
            raise self._away(exc) from exc
        if self._reply_seconds is None and time.monotonic() - started_at > self._patience.cache_slow:
            self.breaker.failed()
        else:
            self.breaker.succeeded()
        return replies

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _away(self, exc: Exception) -> CacheAwayError:
        self.close()  # whatever is still under way on it, or a demoted primary at its other end
        self.breaker.failed()
        if _misconfigured(exc):
            logger.error("The score cache refuses this service", exc_info=exc)
            return CacheAwayError(BypassReason.MISCONFIGURED)
        # A message may quote the reply, and the reply a customer's salary.
        told = isinstance(exc, RedisConnectionError | RedisTimeoutError | LoginUnavailableError)
        logger.warning("The score cache is away", extra={"reason": str(exc) if told else type(exc).__name__})
        return CacheAwayError(BypassReason.UNAVAILABLE)

    def _exchange_once_more_if_closed(self, commands: Sequence[Command], patience: float) -> list[Any]:
        """Ask again on a new connection when the server has closed a kept one; all commands bear repetition."""
        kept = self._connection is not None
        try:
            return self._exchange(commands, patience)
        except RedisConnectionError:
            if not kept:
                raise
            self.close()
            return self._exchange(commands, patience)

    def _exchange(self, commands: Sequence[Command], patience: float) -> list[Any]:
        if self._connection is None:
            self._connection = self._connect(patience)
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(commands))
        return [_reply(connection, patience) for _ in commands]

    def _connect(self, patience: float) -> redis.Connection:
        try:
            return self._connect_as(self._login.current() if self._login else None, patience)
        except AuthenticationError:
            if self._login is None:
                raise
            # The password may have been rotated since it was fetched.
            return self._connect_as(self._login.renewed(), patience)

    def _connect_as(self, login: Login | None, patience: float) -> redis.Connection:
        connection_class = redis.SSLConnection if self._settings.redis_tls else redis.Connection
        connection = connection_class(
            host=self._settings.redis_host,
            port=self._settings.redis_port,
            db=self._settings.redis_db,
            username=login.user if login else None,
            password=login.password if login else None,
            socket_connect_timeout=min(patience, self._patience.cache_connect),
            socket_timeout=patience,
            # RESP2 and no driver_info: a connection costs one round trip (SELECT) instead of five.
            protocol=2,
            driver_info=None,
        )
        connection.connect()
        return connection


def _reply(connection: redis.Connection, patience: float) -> Any:
    try:
        return connection.read_response(timeout=patience)
    except ResponseError as exc:
        if str(exc).startswith("WRONGTYPE"):
            return b""
        raise


def _misconfigured(exc: Exception) -> bool:
    """Return whether the server answered, and what it refuses it will refuse until somebody changes the settings."""
    return (
        isinstance(exc, (AuthenticationError, NoPermissionError))
        or "DB index" in str(exc)
        or "SELECT is not allowed" in str(exc)
    )
