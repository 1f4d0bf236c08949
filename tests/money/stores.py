"""Stores for a harness that runs alone."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.migrate import migrate
from local.servers.mysql_server import start_mysql
from local.servers.redis_server import start_redis
from local.servers.server import Server
from testkit.database import connect

# As with backups: a COMMIT then has two phases, and a server that was killed between them must decide.
WITH_BINARY_LOG = ("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--log-bin-trust-function-creators=1")


@contextmanager
def migrated_mysql(folder: Path, *options: str) -> Iterator[Server]:
    """Start a private MySQL in this folder, with the service's schema and no rows."""
    with start_mysql(folder, None, *options) as server:
        with connect(server.environment) as connection:
            migrate(connection)
        yield server


@contextmanager
def private_stores() -> Iterator[tuple[Server, dict[str, str]]]:
    """Start a private MySQL and a private Redis; yield the MySQL and the variables of both."""
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_mysql(Path(folder) / "mysql", *WITH_BINARY_LOG) as mysql,
        start_redis(Path(folder) / "redis") as redis,
    ):
        yield mysql, mysql.environment | redis.environment
