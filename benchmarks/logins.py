"""Times a process's first answer as deployed, over TLS and with a login by IAM, and what each login adds to it."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from typing_extensions import override

from benchmarks.built import build, runtime_python
from benchmarks.cold import FIRST_ANSWER, FORGOTTEN, KNOWN, LOANS, TOOLS, WARM_UP_STARTS, Environment
from benchmarks.interleaved import left_out, measure
from benchmarks.options import Options
from benchmarks.requests import check_event
from benchmarks.results import Findings, Table, Target
from benchmarks.stores import Stores
from local.run import FUNCTION_ENVIRONMENT
from local.sam.sample_events import CHECK_ELIGIBILITY
from local.servers.redis_server import start_redis
from local.servers.server import free_port
from testkit.certificates import CERTIFIED_HOST, Authority
from testkit.emulator import ROOT
from testkit.iam import IN_LAMBDA, DatabaseDoor, opened

USER = "lending"
AT_MOST_MS = 5
SESSION_TOKEN = "x" * 1000
"""As long as Lambda's."""


class AnyToken(DatabaseDoor):
    """Asks for a token, and takes any: the check is not the service's."""

    @override
    def is_right(self, token: bytes) -> bool:
        return True


class AnyPassword(DatabaseDoor):
    """Takes what the handshake brings, as for an account with a password."""

    @override
    def log_in(self, client: socket.socket, begun: bytes, sequence: int) -> None:
        self.lead_on(client, sequence)


def measure_section(stores: Stores, options: Options) -> Findings:
    """Start processes with and without each login in turn."""
    stores.add_customers([(KNOWN, LOANS), (FORGOTTEN, LOANS)])
    with (
        TemporaryDirectory() as name,
        _cache(Path(name)) as (plain, cache),
        opened(AnyToken, USER, stores.mysql.environment, Path(name) / "token") as by_token,
        opened(AnyPassword, USER, stores.mysql.environment, Path(name) / "password") as by_password,
    ):
        folder = Path(name)
        places = {
            "token": {"DB_PORT": str(by_token.port), "DB_TLS_CA": str(folder / "token/ca.pem"), "DB_IAM_USER": USER},
            "password": {"DB_PORT": str(by_password.port), "DB_TLS_CA": str(folder / "password/ca.pem")},
        }
        iam = {"REDIS_IAM_USER": USER, "REDIS_IAM_CACHE": "lending-scores"}
        given = stores.environment | {"DB_MARK": "bench"} | IN_LAMBDA | {"AWS_SESSION_TOKEN": SESSION_TOKEN}
        database = given | {"DB_HOST": CERTIFIED_HOST}
        layer = build(folder / "built")
        environments = {
            TOOLS: _floor(layer, folder, given | plain),
            "a hit, no login to the cache": _answering(layer, folder, KNOWN, given | cache),
            "a hit, login to the cache by IAM": _answering(layer, folder, KNOWN, given | cache | iam),
            "a miss, password for the database": _answering(layer, folder, FORGOTTEN, database | places["password"]),
            "a miss, login to the database by IAM": _answering(layer, folder, FORGOTTEN, database | places["token"]),
        }
        for environment in list(environments.values())[3:]:
            environment.prepare = partial(stores.forget, FORGOTTEN)
        subjects = {name: environment.as_subject() for name, environment in environments.items()}
        samples = measure(subjects, options.starts, warm_up_rounds=WARM_UP_STARTS)
    medians = {name: sample.median_us / 1000 for name, sample in samples.items()}
    floor, *ours = samples.values()
    _, without_cache, with_cache, without_database, with_database = medians.values()
    return Findings(
        tables=[
            Table(
                "From the start of a process to its first answer, over TLS",
                ["", "median ms", "p99 ms", "x c"],
                [
                    [name, medians[name], sample.p99_us / 1000, sample.ratio_to(floor).value]
                    for name, sample in samples.items()
                ],
                "The floor's Redis is in the clear and asks for no login.",
            )
        ],
        targets=[
            Target.of_ratio("a hit with the cache's login / c", ours[1].ratio_to(floor), 0.9),
            Target.of_ratio("a miss with the database's login / c", ours[3].ratio_to(floor), 1.15),
            Target.of_count("ms that the cache's login adds", with_cache - without_cache, AT_MOST_MS),
            Target.of_count("ms that the database's login adds", with_database - without_database, AT_MOST_MS),
        ],
        remarks=[f"{options.starts} starts of each kind, in turn and in a random order.", left_out(samples)],
    )


@contextmanager
def _cache(folder: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Start a Redis that lets in whoever comes, and USER with any password; yield how to reach it, also over TLS."""
    authority = Authority(folder / "ca.pem")
    authority.certify(CERTIFIED_HOST, folder / "cache.pem", folder / "cache-key.pem")
    port = free_port()
    files = ("--tls-cert-file", str(folder / "cache.pem"), "--tls-key-file", str(folder / "cache-key.pem"))
    trust = ("--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", "no")
    with start_redis(folder / "redis", None, "--tls-port", str(port), *files, *trust) as server:
        with redis.Redis(host=server.host, port=server.port) as administrator:
            administrator.execute_command("ACL", "SETUSER", USER, "on", "nopass", "~*", "&*", "+@all")
        yield (
            server.environment,
            {
                "REDIS_HOST": CERTIFIED_HOST,
                "REDIS_PORT": str(port),
                "REDIS_TLS": "true",
                "REDIS_TLS_CA": str(authority.certificate),
            },
        )


def _answering(built: Path, folder: Path, customer_id: int, stores: Mapping[str, str]) -> Environment:
    answer = "200 credit-score; hit" if customer_id == KNOWN else "200 credit-score; fwd=miss; stored"
    return _started("app", (built / CHECK_ELIGIBILITY, _layer(built)), folder, customer_id, stores, answer)


def _floor(built: Path, folder: Path, stores: Mapping[str, str]) -> Environment:
    return _started("benchmarks.floors.tools", (ROOT, _layer(built)), folder, KNOWN, stores, "200")


def _layer(built: Path) -> Path:
    return built / "CommonLayer/python"


def _started(
    module: str, path: tuple[Path, ...], folder: Path, customer_id: int, stores: Mapping[str, str], answer: str
) -> Environment:
    event = folder / f"{customer_id}.json"
    event.write_text(json.dumps(check_event(customer_id)), encoding="utf-8")
    variables = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [runtime_python(), "-P", str(FIRST_ANSWER), module, str(event)]
    return Environment(command, {**FUNCTION_ENVIRONMENT, **stores, **variables}, answer)
