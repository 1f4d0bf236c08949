"""The file that lists every rejected row, for whoever mends the import files."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pymysql.connections import Connection
from pymysql.cursors import Cursor, SSCursor

from importer.errors import ImportFailedError

ALL_REJECTED = "SELECT source, line, reason, detail FROM rejected_rows ORDER BY source, line"


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Yield a file that takes the place of the one at the path at the end, and only if all goes well.

    Raises:
        ImportFailedError: There can be no such file; found out before the import begins.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = partial.open("w", encoding="utf-8", newline="")
    except OSError as exc:
        raise ImportFailedError(f"Cannot write the rejected rows to {path}: {exc.strerror}.") from exc
    try:
        with file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_rejects(connection: "Connection[Cursor]", file: TextIO, names: Mapping[str, str]) -> None:
    """Write the rejected rows, one by one as the server sends them; `names` has each source's file."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(("file", "line", "reason", "detail"))
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(ALL_REJECTED)
        rows.writerows((names[source], line, reason, detail) for source, line, reason, detail in cursor)
    file.flush()
