"""What a cache that fails costs a request: the longest one beside the longest without a cache."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import redis

from benchmarks.options import Options
from benchmarks.requests import check_event, create_event, new_key
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.stores import Stores
from functions.check_eligibility import app as check_eligibility
from functions.create_loan import app as create_loan
from lending import wiring
from lending.adapters.logins import GivenLogin
from local.front.lambda_context import LambdaContext
from local.servers.redis_server import start_redis
from local.servers.server import HOST, Server, free_port
from testkit.certificates import Authority
from testkit.proxy import Proxy

ASKED, BORROWER, LOANS = 1, 2, 10
DELAYS_MS = (100, 120, 140)
TIMES = 8
"""Each request meets each fault so often, in an environment of its own."""
PROMISED_SECONDS = 0.25
USER, PASSWORD = "lending", "swordfish"
FORBIDDEN = ("eval", "set", "getex", "pttl", "get")

Requests = Mapping[str, Callable[[], dict[str, Any]]]
Fault = Callable[[], None]
"""Puts the service's environment, which is new, before the fault."""


def measure_section(stores: Stores, options: Options) -> Findings:  # noqa: ARG001 - all sections are called alike
    """Meet each fault with each request, in turn with the same request without a cache."""
    stores.add_customers([(ASKED, LOANS), (BORROWER, LOANS)])
    requests: Requests = {
        "check": partial(check_event, ASKED),
        "loan": partial(create_event, BORROWER),
        "loan with a key": lambda: create_event(BORROWER, new_key()),
    }
    rows: list[list[Cell]] = []
    with _faults() as faults:
        for name, meet in faults.items():
            for request, event in requests.items():
                taken = [(_seconds(meet, event), _seconds(faults[NO_CACHE], event)) for _ in range(TIMES)]
                faulty, bare = (max(seconds) for seconds in zip(*taken, strict=True))
                rows.append([name, request, 1e3 * faulty, 1e3 * bare, 1e3 * (faulty - bare)])
    return Findings(
        tables=[
            Table(
                "The longest request with a fault of the cache",
                ["the cache", "request", "longest ms", "longest ms without a cache", "ms more"],
                rows,
                f"{TIMES} environments each, in turn with {TIMES} whose cache refuses connections. In a new one the "
                "request is its first; in a warm one all was well until then.",
            )
        ],
        targets=[
            Target.of_count(
                f"seconds more, {name}", max(float(row[4] or 0) for row in rows if row[0] == name) / 1e3, limit
            )
            for name, limit in ((name, 1.25 if SECRET in name else PROMISED_SECONDS) for name in faults)
        ],
    )


NO_CACHE, SECRET = "refuses connections", "its secret"


def _seconds(meet: Fault, event: Callable[[], dict[str, Any]]) -> float:
    """Return what one request takes in a new environment, which knows its database already."""
    wiring.close()
    meet()
    wiring.loan_store().credit_record(BORROWER, wiring.today())
    given = event()
    handler = check_eligibility if "check" in given["rawPath"] else create_loan
    started_at = time.perf_counter()
    response = handler.lambda_handler(given, LambdaContext("benchmark"))
    seconds = time.perf_counter() - started_at
    if response["statusCode"] >= 300:  # noqa: PLR2004 - what is no success
        raise RuntimeError(response)
    return seconds


@contextmanager
def _faults() -> Iterator[dict[str, Fault]]:
    """Give each fault by its name."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        authority = Authority(folder / "ca.pem")
        server, tls_port = _redis(stack, folder, authority)
        roads = {"": {"REDIS_PORT": str(server.port)}, ", TLS": {"REDIS_PORT": str(tls_port), **_tls(authority)}}
        environment = stack.enter_context(patch.dict(os.environ))
        found = wiring._redis_login  # noqa: SLF001 - the login is what differs
        stack.enter_context(patch.object(wiring, "_redis_login"))

        def settle(variables: Mapping[str, str], user: GivenLogin | None = None) -> None:
            for name in ("REDIS_TLS", "REDIS_TLS_CA", "REDIS_SECRET_ID"):
                environment.pop(name, None)
            environment.update({"REDIS_HOST": HOST, **variables})
            wiring._redis_login = found if user is None else lambda: user  # noqa: SLF001 - as above

        faults: dict[str, Fault] = {NO_CACHE: partial(settle, {"REDIS_PORT": str(free_port())})}
        for road, variables in roads.items():
            for user in (None, GivenLogin(USER, PASSWORD)):
                proxy = stack.enter_context(Proxy(HOST, int(variables["REDIS_PORT"])))
                to_proxy = variables | {"REDIS_PORT": str(proxy.port)}
                for milliseconds in DELAYS_MS:
                    of = f"replies after {milliseconds} ms{road}{', login' if user else ''}"
                    faults[f"{of}, new"] = partial(_late, proxy, milliseconds, partial(settle, to_proxy, user))
                    faults[f"{of}, warm"] = partial(
                        _late, proxy, milliseconds, partial(settle, to_proxy, user), warm=True
                    )
        faults["its name has no answer"] = partial(settle, {"REDIS_HOST": "redis.silent", "REDIS_PORT": "6379"})
        stack.enter_context(patch.object(socket, "getaddrinfo", _resolver(socket.getaddrinfo)))
        silent = stack.enter_context(socket.create_server((HOST, 0)))
        endpoint = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{HOST}:{silent.getsockname()[1]}"}
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "eu-central-1"}
        faults[f"{SECRET} has no answer"] = partial(settle, roads[""] | endpoint | keys | {"REDIS_SECRET_ID": "cache"})
        for number, command in enumerate(FORBIDDEN):
            name = f"{USER}{number}"
            with redis.Redis(host=server.host, port=server.port) as administrator:
                rights = ("~*", "+@all", f"-{command}")
                administrator.execute_command("ACL", "SETUSER", name, "on", f">{PASSWORD}", *rights)
            faults[f"forbids {command}"] = partial(settle, roads[""], GivenLogin(name, PASSWORD))
        stranger = Authority(folder / "stranger.pem")
        faults["has a stranger's certificate"] = partial(settle, {**roads[", TLS"], **_tls(stranger)})
        yield faults


def _late(proxy: Proxy, milliseconds: float, settle: Fault, *, warm: bool = False) -> None:
    proxy.pass_on()
    settle()
    if warm:
        check_eligibility.lambda_handler(check_event(ASKED), LambdaContext("benchmark"))
    proxy.delay(milliseconds / 1000)


def _redis(stack: ExitStack, folder: Path, authority: Authority) -> tuple[Server, int]:
    """Return a Redis that takes connections in the clear and on another port over TLS, and knows a user."""
    certificate, key, port = folder / "server.pem", folder / "server-key.pem", free_port()
    authority.certify(HOST, certificate, key)
    tls = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    trust = ("--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", "no")
    server = stack.enter_context(start_redis(folder / "redis", None, *tls, *trust))
    with redis.Redis(host=server.host, port=server.port) as administrator:
        administrator.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "+@all")
    return server, port


def _tls(authority: Authority) -> dict[str, str]:
    return {"REDIS_TLS": "true", "REDIS_TLS_CA": str(authority.certificate)}


def _resolver(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Return the system's resolver, which for names in `.silent` has no answer."""

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        if not host.endswith(".silent"):
            return resolve(host, *arguments, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        time.sleep(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    return getaddrinfo
