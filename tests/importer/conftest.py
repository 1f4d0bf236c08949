"""The importer on real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers.server import Server
from testkit.database import Database
from testkit.service import wired
from tests.importer.importing import Importer


@pytest.fixture
def importer(
    database: Database,
    narrow_logins: dict[str, dict[str, str]],
    redis_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Importer]:
    """The importer as its own account, on an empty database and an empty Redis."""
    with wired(database.environment | redis_server.environment, monkeypatch):
        yield Importer(tmp_path, capsys, narrow_logins["importer"])
