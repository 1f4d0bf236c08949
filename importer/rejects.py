"""The rejected rows, as files that can be mended and imported again."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymysql.connections import Connection
from pymysql.cursors import Cursor, SSCursor

from importer.columns import REJECTS_COLUMNS, Kind
from importer.errors import ImportFailedError
from importer.staging import SEPARATOR

REJECTED = """
SELECT rejected_rows.line, MIN(rejected_rows.cells),
       GROUP_CONCAT(CONCAT(faults.reason, ': ', faults.detail) ORDER BY faults.number SEPARATOR '; ')
  FROM rejected_rows JOIN faults ON faults.source = rejected_rows.source AND faults.line = rejected_rows.line
 WHERE rejected_rows.source = %s
 GROUP BY rejected_rows.line
 ORDER BY rejected_rows.line
"""


class RejectsFolder:
    """Where rejected rows go: files that are new, so that nothing is overwritten that somebody is mending."""

    def __init__(self, path: Path) -> None:
        """Make the folder, before the import begins.

        Raises:
            ImportFailedError: There can be no such folder.
        """
        self._path = path
        self._written: list[tuple[Path, Path]] = []
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / ".writable").touch()
            (path / ".writable").unlink()
        except OSError as exc:
            raise ImportFailedError(f"Cannot write the rejected rows to {path}: {exc.strerror}.") from exc

    def write(self, connection: "Connection[Cursor]", kind: Kind) -> None:
        """Write the rejected rows of one kind beside their place, one by one as the server sends them."""
        partial = self._path / f"{kind.name}.partial"
        with partial.open("w", encoding="utf-8-sig", newline="") as file, connection.cursor(SSCursor) as cursor:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow((*(column.name for column in kind.columns), *REJECTS_COLUMNS))
            cursor.execute(REJECTED, (kind.name,))
            for line, cells, faults in cursor:
                rows.writerow((*cells.split(SEPARATOR), line, faults))
        self._written.append((partial, self._free(kind.name)))

    def keep(self) -> list[Path]:
        """Put what was written in its place; return where."""
        for partial, path in self._written:
            partial.replace(path)
        return [path for _, path in self._written]

    def discard(self) -> None:
        """Remove what was not kept."""
        for partial, _ in self._written:
            partial.unlink(missing_ok=True)

    def _free(self, name: str) -> Path:
        path, number = self._path / f"{name}.csv", 1
        while path.exists():
            number += 1
            path = self._path / f"{name}-{number}.csv"
        return path


@contextmanager
def rejects_in(path: Path) -> Iterator[RejectsFolder]:
    """Give the folder, and leave nothing half written in it."""
    folder = RejectsFolder(path)
    try:
        yield folder
    finally:
        folder.discard()
