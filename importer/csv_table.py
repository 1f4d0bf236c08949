"""A CSV file with a header, read as a stream: one record in memory, whatever the file's size."""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from importer.errors import BrokenFileError, Reason, RejectedRowError

MAX_LINE_BYTES = 64 * 1024
"""Far more than any row has; a file without line ends must not be read into memory whole."""


class CsvTable:
    """The records of a file and, by its header, which field is which column."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        *,
        columns: Sequence[str],
        optional: Sequence[str],
        advance: Callable[[int], object],
    ) -> None:
        """Read the header.

        Args:
            file: The open file.
            name: What to call it in messages.
            columns: All columns there may be, in the order wanted.
            optional: Those of them that the file may leave out.
            advance: Told the number of bytes of each line as it is read.
        Raises:
            BrokenFileError: The file cannot be read, or its header is not right.
        """
        self._file = file
        self._name = name
        self._advance = advance
        self._reader = csv.reader(self._lines(), strict=True)
        _, header = next(self._records(), (0, None))
        if header is None:
            raise BrokenFileError(f"{name} is empty: not even a line with the names of the columns.")
        self._width = len(header)
        self._positions = self._positions_of(columns, optional, [cell.strip() for cell in header])

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each record with the number of the line it begins on; empty lines are no records.

        Raises:
            BrokenFileError: The file cannot be read on.
        """
        return self._records()

    def cells(self, record: list[str]) -> list[str]:
        """Return the record's fields in the order of the columns; an optional column left out is empty.

        Raises:
            RejectedRowError: The record has more or fewer fields than the header.
        """
        if len(record) != self._width:
            raise RejectedRowError(Reason.WRONG_NUMBER_OF_FIELDS, f"{len(record)} fields, the header has {self._width}")
        return ["" if position is None else record[position].strip() for position in self._positions]

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            first_line = self._reader.line_num + 1
            try:
                record = next(self._reader, None)
            except csv.Error as exc:
                raise BrokenFileError(
                    f"{self._name} is not CSV: {exc}, in the record from line {first_line} on."
                ) from exc
            except OSError as exc:
                raise BrokenFileError(
                    f"{self._name} cannot be read on after line {first_line - 1}: {exc.strerror}."
                ) from exc
            if record is None:
                return
            if record:
                yield first_line, record

    def _lines(self) -> Iterator[str]:
        """Yield the lines of the file as text. Decoded one by one, so that a wrong byte is found on its line."""
        encoding, number = "utf-8-sig", 0  # spreadsheets begin a UTF-8 file with a byte order mark
        while line := self._file.readline(MAX_LINE_BYTES):
            number += 1
            self._advance(len(line))
            if len(line) == MAX_LINE_BYTES:
                raise BrokenFileError(f"{self._name} is not CSV: line {number} is longer than {MAX_LINE_BYTES} bytes.")
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError as exc:
                raise BrokenFileError(f"{self._name} is not UTF-8: line {number}, byte {exc.start + 1}.") from exc
            encoding = "utf-8"

    def _positions_of(self, columns: Sequence[str], optional: Sequence[str], header: list[str]) -> list[int | None]:
        faults = [
            *(f"lacks {column}" for column in columns if column not in header and column not in optional),
            *(f"has no use for {column!r}" for column in header if column not in columns),
            *(f"repeats {column}" for column in columns if header.count(column) > 1),
        ]
        if faults:
            raise BrokenFileError(
                f"{self._name} has the wrong columns: it {', '.join(faults)}. Its first line must name, separated by "
                f"commas and in any order: {', '.join(columns)}; {' and '.join(optional)} may be left out."
            )
        return [header.index(column) if column in header else None for column in columns]
