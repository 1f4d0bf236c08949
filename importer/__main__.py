"""`python -m importer --customers customers.csv --loans loans.xlsx` imports into the database that DB_* names."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from importer.connection import only_importer
from importer.errors import ImportFailedError, ScoresNotDroppedError, UnknownOutcomeError
from importer.importing import run
from importer.options import parse, parser
from importer.scores import drop_void_scores
from lending import wiring
from lending.config import InvalidSettingError

NOT_IMPORTED, OLD_SCORES_CACHED, INTERRUPTED = 1, 3, 130
"""What the program exits with, beside 2 for a command line that makes no sense."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Import what the command line names."""
    try:
        task = replace(parse(arguments, wiring.today, parser()), progress=_progress)
        with only_importer(wiring.settings()) as connection:
            outcome = run(connection, task)
    except (ImportFailedError, InvalidSettingError) as exc:
        _fail(f"{str(exc).rstrip('.')}. Nothing was imported.", NOT_IMPORTED)
    except UnknownOutcomeError as exc:
        _fail(str(exc), NOT_IMPORTED)
    except KeyboardInterrupt:
        _fail("Interrupted. Nothing was imported.", INTERRUPTED)
    print(outcome.report)
    for path in outcome.rejects:
        print(f"Rejected rows, to be mended and imported again: {path}")
    if outcome.failure:
        _fail(f"{outcome.failure} Nothing was imported.", NOT_IMPORTED)
    if task.is_dry_run:
        print("A dry run: nothing was imported.")
        return
    try:
        drop_void_scores(task.today)
    except ScoresNotDroppedError as exc:
        _fail(str(exc), OLD_SCORES_CACHED)
    print("Imported. Cached scores from before are dropped.")


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], object]]:
    """Show on the terminal, if there is one, how far a file is read, and then that the rest goes on."""
    with tqdm(desc=path.name, unit="row", unit_scale=True, disable=None) as bar:
        yield bar.update
    print(f"{path.name} is read; comparing with the database ...", file=sys.stderr)


def _fail(message: str, status: int) -> NoReturn:
    print(f"import: {message}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
