"""The importer on real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers import Server
from tests.local.importing import Importer
from tests.service import Database, wired


@pytest.fixture
def importer(
    database: Database,
    redis_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Importer]:
    """The importer, on an empty database and an empty Redis."""
    with wired(database.environment | redis_server.environment, monkeypatch):
        yield Importer(tmp_path, capsys)
