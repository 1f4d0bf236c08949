"""The checks of the cache, asked as the functions ask it."""

import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import AuthenticationError, ResponseError

from db.findings import Finding, failed, ok, warning
from doctor.clocks import compared
from doctor.commands import IN_A_CLUSTER, NOBODY, commands, name
from doctor.examination import LOOPBACK, Result, carried_out, root_of, words_of
from lending import wiring
from lending.adapters.logins import LoginUnavailableError
from lending.adapters.redis_cluster import SLOTS
from lending.adapters.redis_connection import Command, Wait
from lending.config import Settings
from lending.ports import CacheAwayError

LEAST_VERSION = (7, 0)
RIGHT_EVICTION = "allkeys-lru"


def examine_cache(settings: Settings) -> Iterator[Result]:
    """Yield what is found of the cache; nothing more when there is no way in."""
    obstacle = _obstacle(settings)
    for check, finding in _way_in(settings).items():
        if obstacle is not None and obstacle.check == check:
            yield obstacle
            return
        yield Result(check, finding)
    about = About()
    yield from carried_out(
        {
            "cache version": about.version,
            "cache role": about.role,
            "cache cluster mode": about.cluster_mode,
            "cache memory": about.memory,
            "cache commands": about.commands,
            "cache clock": _clock,
        }
    )


def _ask(*command: Any) -> Any:
    seconds = wiring.patience.cache_refresh
    return wiring.refresh_connection().ask(*command, wait=Wait(seconds, seconds))


def _way_in(settings: Settings) -> dict[str, Finding]:
    """Return what has to succeed, in this order, before anything can be asked, and what is found when it has."""
    encryption = warning("in the clear: anybody may stand in for the server", "set REDIS_TLS=true")
    if settings.redis_tls:
        encryption = ok("TLS 1.3 or newer, and the certificate verified")
    elif settings.redis_host in LOOPBACK:
        encryption = ok("in the clear, within this machine")
    login = "by a secret" if settings.redis_secret_id else "by IAM" if settings.redis_iam_user else "none is wanted"
    return {
        "cache reachable": ok(f"{settings.redis_host}:{settings.redis_port}"),
        "cache TLS": encryption,
        "cache login": ok(login),
        "cache database": ok(f"number {settings.redis_db}"),
    }


def _obstacle(settings: Settings) -> Result | None:
    """Return what stands in the way."""
    if settings.redis_tls_ca and not Path(settings.redis_tls_ca).is_file():
        return Result(
            "cache TLS", failed(f"there is no {settings.redis_tls_ca} here", "let REDIS_TLS_CA name the bundle")
        )
    try:
        _ask("GET", wiring.keyspace().entry(NOBODY))
    except CacheAwayError as exc:
        cause = exc.__cause__ or exc
        part, to_do = _part_in_the_way(cause)
        return Result(part, failed(words_of(root_of(cause)), to_do)) if part else None
    return None


def _part_in_the_way(cause: BaseException) -> tuple[str, str]:
    """Return which part of the way in a failure belongs to, and what to do."""
    if isinstance(cause, LoginUnavailableError):
        return "cache login", "let REDIS_SECRET_ID name a secret that may be read, or give AWS credentials"
    if isinstance(cause, AuthenticationError):
        return "cache login", "mend the login: REDIS_SECRET_ID, or REDIS_IAM_USER and REDIS_IAM_CACHE"
    if isinstance(root_of(cause), ssl.SSLError):
        to_do = (
            "REDIS_TLS_CA must hold the server's authority, REDIS_HOST be a name in its certificate; TLS 1.3 at least"
        )
        return "cache TLS", to_do
    if isinstance(cause, ResponseError):
        no_such_database = "SELECT is not allowed" in str(cause) or "DB index" in str(cause)
        # Any other error is about this command alone: the check of all commands tells of it.
        return ("cache database", "give a REDIS_DB that the server has") if no_such_database else ("", "")
    return "cache reachable", "mend REDIS_HOST, REDIS_PORT and REDIS_TLS, or let this machine in"


class About:
    """What the server tells of itself; INFO may be forbidden to the functions' user."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def version(self) -> Finding:
        """Tell whether it knows SET with NX and GET, and checks what scripts may do as it checks all else."""
        told = self._info()
        text = told.get("redis_version", "")
        found = f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {text}"
        numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
        if numbers < LEAST_VERSION:
            return failed(found, "Redis 7.0 or Valkey 7.2 is the least")
        return ok(found)

    def role(self) -> Finding:
        """Tell whether it is the primary."""
        role = self._info().get("role", "nothing about its role")
        if role != "master":
            return failed(f"it says {role}", "let REDIS_HOST name the primary")
        return ok("primary")

    def cluster_mode(self) -> Finding:
        """Tell how many nodes have the entries, and whether every slot has one."""
        if self._info().get("cluster_enabled") != "1":
            return ok("off")
        ranges = _ask("CLUSTER", "SLOTS")
        served = sum(last + 1 - first for first, last, *_ in ranges)
        masters = {tuple(master[:2]) for _, _, master, *_ in ranges}
        found = f"on: {served} of {SLOTS} slots on {len(masters)} nodes"
        return ok(found) if served == SLOTS else failed(found, "give each slot a node: without one, it is never cached")

    def memory(self) -> Finding:
        """Tell what becomes of entries when memory is full."""
        told = self._info()
        policy, limit = told.get("maxmemory_policy", "unknown"), int(told.get("maxmemory", 0))
        used = int(told.get("used_memory", 0))
        if limit == 0:
            found = f"{used >> 20} MiB used, without a limit, {policy}"
            return warning(found, f"set maxmemory, and maxmemory-policy {RIGHT_EVICTION}")
        found = f"{used >> 20} of {limit >> 20} MiB used, {policy}"
        to_do = f"set maxmemory-policy {RIGHT_EVICTION} (docs/cache.md, Memory)"
        if policy == RIGHT_EVICTION:
            return ok(found)
        if policy == "noeviction":
            return failed(f"{found}: once memory is full every look-up is refused", to_do)
        return warning(found, to_do)

    def commands(self) -> Finding:
        """Tell whether this user may send all that the service sends, also in scripts."""
        sent = commands(wiring.keyspace())
        return _allowed(sent + IN_A_CLUSTER if self._is_cluster() else sent)

    def _is_cluster(self) -> bool:
        try:
            return self._info().get("cluster_enabled") == "1"
        except CacheAwayError as exc:
            if not isinstance(exc.__cause__, ResponseError):
                raise
            return False  # INFO may be forbidden

    def _info(self) -> dict[str, str]:
        if not self._told:
            lines = _ask("INFO").decode().splitlines()
            self._told = dict(line.split(":", 1) for line in lines if ":" in line)
        return self._told


def _allowed(sent: Sequence[Command]) -> Finding:
    try:
        user = _ask("ACL", "WHOAMI").decode()
        refusals = {name(command): _told(_ask("ACL", "DRYRUN", user, *command)) for command in sent}
        how = f"by ACL DRYRUN for {user}"
    except CacheAwayError as exc:
        if not isinstance(exc.__cause__, ResponseError):
            raise
        # This user may not ask, or there is no such command, or not one of that name: then each is sent.
        refusals = {name(command): _refusal(command) for command in sent}
        how = f"each sent, for customer {NOBODY}"
    refused = {command: said for command, said in refusals.items() if said}
    if refused:
        found = "; ".join(f"{command}: {said}" for command, said in refused.items())
        allow = " ".join(f"+{command.lower()}" for command in refused)
        return failed(found, f"allow {allow} on the service's keys, where it is not the role or the version")
    return ok(f"all {len(sent)} are allowed, {how}")


def _told(reply: bytes) -> str:
    """Return what ACL DRYRUN tells of a command, empty if it is allowed."""
    return "" if reply == b"OK" else reply.decode()


def _refusal(command: Command) -> str:
    """Return how the server refuses a command, empty if it does not."""
    try:
        _ask(*command)
    except CacheAwayError as exc:
        if not isinstance(exc.__cause__, ResponseError):
            raise
        return words_of(exc.__cause__)
    return ""


def _clock() -> Finding:
    seconds, microseconds = _ask("TIME")
    return compared(int(seconds) + int(microseconds) / 1_000_000)
