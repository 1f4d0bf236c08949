"""The score cache in Redis: leases for readers, markers for writers, and never in the way.

Under `credit_score:{customer_id}` lies one of
    {...}          a profile, for a day
    lease:TOKEN    a reader has missed and is reading the database; only it may fill the entry, for five seconds
    write:TOKEN    a loan is being made; nobody fills the entry until its writer, or the time, removes the marker
Anything else is taken for a miss and replaced. A plain DEL is always a correct invalidation.
"""

import os
from datetime import date
from typing import Any

import redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from lending.adapters.aws_secrets import Login, LoginSource
from lending.adapters.breaker import Breaker
from lending.adapters.score_document import from_document, to_document
from lending.config import Settings
from lending.domain.scoring import CreditProfile
from lending.observability import logger
from lending.ports import CacheAnswer

TTL_SECONDS = 86_400
LEASE_MILLISECONDS = 5_000
"""Longer than a reader's query can take; a reader that is slower loses the right to fill, not its answer."""
MARKER_MILLISECONDS = 900_000
"""Longer than any transaction can live; a killed writer's customer is not cached for as long."""

CONNECT_TIMEOUT_SECONDS = 0.1
SOCKET_TIMEOUT_SECONDS = 0.15
"""A cache slower than this is slower than the query it saves."""
HURRIED_TIMEOUT_SECONDS = 0.04
"""For what is tried right after a failure: a writer tries up to three times, and all of it must stay under 0.25 s."""

LEASE, MARKER = b"lease:", b"write:"

# Take the lease in place of what is not a profile of ours: `ARGV[1]` is what was seen there, gone if it changed since.
REPLACE = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

# Fill only in place of one's own lease: whatever came since, a writer above all, has killed it.
FILL = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""

# Leave another writer's marker alone: that write is still under way.
FINISH = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:sub(1, 6) == 'write:' and held ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# A rollback changed nothing: remove one's own marker, and nothing else.
RETRACT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class CacheAwayError(Exception):
    """Redis gave no answer; the message says in a word why."""


class RedisScoreCache:
    """ScoreCache on one connection, opened on first use and kept while warm."""

    def __init__(self, settings: Settings, login: LoginSource | None) -> None:
        """Take where Redis is, and where the user and password come from, if it wants any."""
        self._settings = settings
        self._login = login
        self._connection: redis.Connection | None = None
        self._hurried = False
        self._breaker = Breaker()

    def look_up(self, customer_id: int, today: date) -> CacheAnswer:
        """See ScoreCache. One round trip either returns the value or takes the lease."""
        if not self._breaker.lets_through():
            return CacheAnswer(None, bypass="breaker-open")
        key, lease = _key(customer_id), _token(LEASE)
        try:
            held = self._ask("SET", key, lease, "NX", "GET", "PX", LEASE_MILLISECONDS)
            # One's own lease comes back when the first try's reply was lost.
            if held is None or held == lease:
                return CacheAnswer(None, lease=lease)
            if held.startswith((LEASE, MARKER)):
                return CacheAnswer(None)
            profile = from_document(held, customer_id, today)
            if profile is None and self._ask("EVAL", REPLACE, 1, key, held, lease, LEASE_MILLISECONDS):
                return CacheAnswer(None, lease=lease)
            return CacheAnswer(profile)
        except CacheAwayError as exc:
            return CacheAnswer(None, bypass=str(exc))

    def peek(self, customer_id: int, today: date) -> CacheAnswer:
        """See ScoreCache."""
        if not self._breaker.lets_through():
            return CacheAnswer(None, bypass="breaker-open")
        try:
            return CacheAnswer(from_document(self._ask("GET", _key(customer_id)) or b"", customer_id, today))
        except CacheAwayError as exc:
            return CacheAnswer(None, bypass=str(exc))

    def fill(self, lease: bytes, profile: CreditProfile) -> bool:
        """See ScoreCache."""
        return self._tell("EVAL", FILL, 1, _key(profile.customer_id), lease, to_document(profile), TTL_SECONDS)

    def announce_write(self, customer_id: int) -> bytes:
        """See ScoreCache. Tried whatever the breaker says."""
        token = _token(MARKER)
        self._tell("SET", _key(customer_id), token, "PX", MARKER_MILLISECONDS)
        return token

    def finish_write(self, customer_id: int, token: bytes) -> None:
        """See ScoreCache. Tried whatever the breaker says."""
        self._tell("EVAL", FINISH, 1, _key(customer_id), token)

    def retract_write(self, customer_id: int, token: bytes) -> None:
        """See ScoreCache. Tried whatever the breaker says."""
        self._tell("EVAL", RETRACT, 1, _key(customer_id), token)

    def close(self) -> None:
        """See the port."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _tell(self, *command: Any) -> bool:
        """Run a command for its effect; return whether Redis did it."""
        try:
            return bool(self._ask(*command))
        except CacheAwayError:
            return False

    def _ask(self, *command: Any) -> Any:
        """Return Redis's reply to one command; an error about the key itself reads as an empty value.

        Raises:
            CacheAwayError: There was no reply.
        """
        try:
            reply = self._exchange_once_more_if_closed(command)
        except ResponseError as exc:
            if not str(exc).startswith("WRONGTYPE"):
                raise self._away(exc) from exc
            reply = b""
        except Exception as exc:  # a server that talks nonsense can make the client raise anything
            raise self._away(exc) from exc
        self._breaker.succeeded()
        if self._hurried:
            self.close()  # the next connection is given its full time again
        return reply

    def _away(self, exc: Exception) -> CacheAwayError:
        self.close()  # whatever is still under way on it, or a demoted primary at its other end
        self._breaker.failed()
        if _misconfigured(exc):
            logger.error("The score cache refuses this service", exc_info=exc)
            return CacheAwayError("misconfigured")
        logger.warning("The score cache is away", extra={"reason": f"{type(exc).__name__}: {exc}"})
        return CacheAwayError("unavailable")

    def _exchange_once_more_if_closed(self, command: tuple[Any, ...]) -> Any:
        """Ask again on a new connection when the server has closed a kept one; all commands bear repetition."""
        kept = self._connection is not None
        try:
            return self._exchange(command)
        except RedisConnectionError:
            if not kept:
                raise
            self.close()
            return self._exchange(command)

    def _exchange(self, command: tuple[Any, ...]) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.send_command(*command)
        return self._connection.read_response()

    def _connect(self) -> redis.Connection:
        try:
            return self._connect_as(self._login.current() if self._login else None)
        except AuthenticationError:
            if self._login is None:
                raise
            # The password may have been rotated since it was fetched.
            return self._connect_as(self._login.renewed())

    def _connect_as(self, login: Login | None) -> redis.Connection:
        self._hurried = self._breaker.failures > 0
        connection_class = redis.SSLConnection if self._settings.redis_tls else redis.Connection
        connection = connection_class(
            host=self._settings.redis_host,
            port=self._settings.redis_port,
            db=self._settings.redis_db,
            username=login.user if login else None,
            password=login.password if login else None,
            socket_connect_timeout=HURRIED_TIMEOUT_SECONDS if self._hurried else CONNECT_TIMEOUT_SECONDS,
            socket_timeout=HURRIED_TIMEOUT_SECONDS if self._hurried else SOCKET_TIMEOUT_SECONDS,
            # RESP2 and no driver_info: a connection costs one round trip (SELECT) instead of five.
            protocol=2,
            driver_info=None,
        )
        connection.connect()
        return connection


def _key(customer_id: int) -> str:
    return f"credit_score:{customer_id}"


def _token(kind: bytes) -> bytes:
    # From the system, per request: environments restored from one snapshot share every other source.
    return kind + os.urandom(12).hex().encode()


def _misconfigured(exc: Exception) -> bool:
    """Return whether the server answered, and what it refuses it will refuse until somebody changes the settings."""
    refused = (AuthenticationError, NoPermissionError)
    return isinstance(exc, refused) or "DB index" in str(exc) or "SELECT is not allowed" in str(exc)
