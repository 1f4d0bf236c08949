"""A CSV file in whatever dialect, read as a stream: one record in memory, whatever the file's size."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from importer.errors import BrokenFileError
from importer.reading.encodings import Encoding

DELIMITERS = ",;\t|"
MAX_LINE_CHARACTERS = 64 * 1024
"""Far more than any row has; a file without line ends must not be read into memory whole."""

Record = tuple[int, list[str]]
"""The number of the line that it begins on, and its cells."""


class CsvFile:
    """The records of an open file."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        encoding: Encoding,
        *,
        fitness: Callable[[list[str]], int],
    ) -> None:
        """Find out what separates the cells.

        Args:
            file: The open file; it can be rewound.
            name: What to call it in messages.
            encoding: From `encoding_of`.
            fitness: How well a first record fits. The delimiter by which it fits best is taken: titles that mean
                something are better evidence than any statistics of commas.
        """
        self.notes = [encoding.guess] if encoding.guess else []
        self._file = file
        self._name = name
        self._encoding = encoding
        self._skipped, self._delimiter = self._dialect(fitness)

    def records(self) -> Iterator[Record]:
        """Yield each record that has anything in it.

        Raises:
            BrokenFileError: The file cannot be read on.
        """
        return self._records(self._delimiter, self._skipped)

    def _dialect(self, fitness: Callable[[list[str]], int]) -> tuple[int, str]:
        """Return how many lines to skip before the first record, and the delimiter."""
        first = next((line for line in self._lines() if line.strip()), "")
        said = first.rstrip("\r\n").strip('"')
        if said.lower().startswith("sep=") and len(said) == len("sep=,"):  # Excel's own hint to itself
            return 1, said[-1]

        def fits(delimiter: str) -> tuple[int, int]:
            try:
                record = next(self._records(delimiter, 0), (0, list[str]()))[1]
            except BrokenFileError:
                record = []
            return fitness(record), first.count(delimiter)

        return 0, max(DELIMITERS, key=fits)

    def _records(self, delimiter: str, skipped: int) -> Iterator[Record]:
        lines = self._lines()
        for _ in range(skipped):
            next(lines, None)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        first_line = skipped + 1
        try:
            for record in reader:
                if any(map(str.strip, record)):
                    yield first_line, record
                first_line = skipped + reader.line_num + 1
        except csv.Error as exc:
            raise BrokenFileError(f"{self._name} is not CSV: {exc}, in the record from line {first_line} on.") from exc
        except OSError as exc:
            raise BrokenFileError(
                f"{self._name} cannot be read on after line {first_line - 1}: {exc.strerror}."
            ) from exc

    def _lines(self) -> Iterator[str]:
        """Yield the lines as text, however they end."""
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, self._encoding.name, newline="")
        number = 0
        try:
            while line := text.readline(MAX_LINE_CHARACTERS):
                number += 1
                if len(line) == MAX_LINE_CHARACTERS:
                    raise BrokenFileError(f"{self._name} is not CSV: line {number} has no end.")
                yield line
        except UnicodeDecodeError as exc:
            raise BrokenFileError(
                f"{self._name} is not {self._encoding.name}: byte {exc.object[exc.start]:#04x} after line {number}. "
                "Name its encoding."
            ) from exc
        finally:
            if not self._file.closed:
                text.detach()  # or it would close the file with itself
