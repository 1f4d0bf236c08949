"""Imports what is put into a bucket: the handler of the stack's import function.

A delivery is a folder under imports/ with files whose names begin with customers and loans, and options.json where the
files need a word. Each file that arrives has the whole delivery imported, in one transaction, so it does not matter
which comes first, and what stands already changes nothing. The report and the rejected rows go to the folder of the
same name under reports/, where nothing that is written starts another import.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from urllib.parse import unquote_plus

from importer.connection import only_importer
from importer.errors import ImportFailedError, ScoresNotDroppedError, UnknownOutcomeError
from importer.importing import Task, run
from importer.options import as_arguments, parse, parser
from importer.scores import drop_void_scores
from lending import wiring
from lending.observability import logger
from lending.time_limit import time_limit

IMPORTS, REPORTS = "imports/", "reports/"
OPTIONS = "options.json"
MAX_BYTES = {".xlsx": 50_000_000, ".csv": 1_000_000_000}
"""Half of what the function reads in its time on the smallest database. Larger ones: docs/deploy.md."""
SECONDS_TO_REPORT = 30
"""Kept back of the function's time, so that an import that takes too long can still be told."""


@dataclass(frozen=True)
class Delivery:
    """A folder of files to be imported."""

    bucket: str
    folder: str
    """Without imports/ before it."""

    def within(self, place: str) -> str:
        """Return what the keys of this folder begin with, under imports/ or reports/."""
        return f"{place}{self.folder}/" if self.folder else place


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Import the deliveries that the event's files belong to."""
    for delivery in dict.fromkeys(_deliveries(event)):
        seconds = context.get_remaining_time_in_millis() / 1000 - SECONDS_TO_REPORT
        with TemporaryDirectory() as folder:
            text, rejects = _imported(delivery, Path(folder), seconds)
            _report(delivery, text, rejects)


def _deliveries(event: Mapping[str, Any]) -> Iterator[Delivery]:
    for record in event["Records"]:
        key = PurePosixPath(unquote_plus(record["s3"]["object"]["key"]))
        yield Delivery(
            record["s3"]["bucket"]["name"], key.parent.as_posix().removeprefix(IMPORTS.rstrip("/")).strip("/")
        )


def _imported(delivery: Delivery, folder: Path, seconds: float) -> tuple[str, list[Path]]:
    """Import a delivery and return the report on it and the files of rejected rows."""
    try:
        task, names = _task(delivery, folder)
        over = ImportFailedError("The function's time was over; import smaller files, or from a machine in the VPC.")
        with time_limit(seconds, over), only_importer(wiring.settings()) as connection:
            outcome = run(connection, task)
    except (ImportFailedError, UnknownOutcomeError) as exc:
        logger.warning("Nothing was imported", extra={"folder": delivery.folder, "reason": str(exc)})
        suffix = "" if isinstance(exc, UnknownOutcomeError) else " Nothing was imported."
        return f"{str(exc).rstrip('.')}.{suffix}\n".replace(f"{folder}/", ""), []
    end = f"{outcome.failure} Nothing was imported." if outcome.failure else "Imported."
    if task.is_dry_run and not outcome.failure:
        end = "A dry run: nothing was imported."
    elif not outcome.failure:
        try:
            drop_void_scores(task.today)
        except ScoresNotDroppedError as exc:
            end = f"Imported. {exc}"
    # Counts alone: no id and no name goes into the log.
    logger.info("Import", extra={"folder": delivery.folder, "end": end, "taken": outcome.report.taken,
                                 "rejected": outcome.report.rejected})  # fmt: skip
    text = "\n\n".join([f"Files: {', '.join(names)}", str(outcome.report), end])
    return f"{text}\n".replace(f"{folder}/", ""), outcome.rejects


def _task(delivery: Delivery, folder: Path) -> tuple[Task, list[str]]:
    """Fetch the files of a delivery; return what to do with them, and their names.

    Raises:
        ImportFailedError: They are too large, or not one for each kind.
    """
    s3 = _s3()
    found: dict[str, Path] = {}
    options: dict[str, Any] = {}
    for key, size in _objects(delivery, IMPORTS):
        name = PurePosixPath(key).name
        if name == OPTIONS:
            options = _options(s3.get_object(Bucket=delivery.bucket, Key=key)["Body"].read())
            continue
        kind = next((kind for kind in ("customers", "loans") if name.lower().startswith(kind)), None)
        if kind is None:
            raise ImportFailedError(f"{name} begins neither with customers nor with loans.")
        if kind in found:
            raise ImportFailedError(
                f"{found[kind].name} and {name} are both of {kind}; put them into folders of their own."
            )
        limit = MAX_BYTES.get(PurePosixPath(name).suffix.lower(), MAX_BYTES[".csv"])
        if size > limit:
            raise ImportFailedError(f"{name} has {size:,} bytes, more than {limit:,}; docs/deploy.md tells the way.")
        found[kind] = folder / name
        s3.download_file(delivery.bucket, key, str(found[kind]))
    if not found:
        raise ImportFailedError("There are no files of customers or loans in this folder.")

    def mistaken(message: str) -> NoReturn:
        raise ImportFailedError(f"{OPTIONS}: {message}")

    arguments = [f"--{kind}={path}" for kind, path in found.items()] + [f"--rejects={folder / 'rejects'}"]
    task = parse([*arguments, *as_arguments(options)], wiring.today, parser(mistaken))
    return task, [delivery.within(IMPORTS) + path.name for path in found.values()]


def _options(content: bytes) -> dict[str, Any]:
    try:
        options = json.loads(content)
    except ValueError as exc:
        raise ImportFailedError(f"{OPTIONS} is no JSON: {exc}.") from exc
    if not isinstance(options, dict) or {"customers", "loans", "rejects"} & options.keys():
        raise ImportFailedError(f'{OPTIONS} is to hold options by name, such as {{"date_format": "DD/MM/YYYY"}}.')
    return options


def _report(delivery: Delivery, text: str, rejects: list[Path]) -> None:
    """Put the report and the rejected rows in the place of those of an earlier import of the delivery."""
    s3 = _s3()
    place = delivery.within(REPORTS)
    written = {f"{place}{path.stem}-rejected.csv": path for path in rejects}
    for key, path in written.items():
        s3.upload_file(str(path), delivery.bucket, key)
    for key, _ in _objects(delivery, REPORTS):
        if key not in written and key.endswith("-rejected.csv"):
            s3.delete_object(Bucket=delivery.bucket, Key=key)
    s3.put_object(
        Bucket=delivery.bucket, Key=f"{place}report.txt", Body=text.encode(), ContentType="text/plain; charset=utf-8"
    )


def _s3() -> Any:
    import boto3  # noqa: PLC0415 - the runtime brings it, the layer does not

    return boto3.client("s3")


def _objects(delivery: Delivery, place: str) -> Iterator[tuple[str, int]]:
    """Yield the keys and sizes of what lies in the delivery's folder, but not below it."""
    pages = _s3().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=delivery.bucket, Prefix=delivery.within(place), Delimiter="/"):
        for each in page.get("Contents", []):
            if not each["Key"].endswith("/"):  # a folder, as consoles make them
                yield each["Key"], each["Size"]
