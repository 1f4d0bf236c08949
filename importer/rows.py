"""The rows of a batch: those that can be taken, with typed values, and those that cannot, with all their faults."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import gt
from typing import NamedTuple

from importer.columns import Kind
from importer.reading.csv_file import Record
from importer.reading.table import Batch
from importer.values.cells import Memory, Value
from importer.values.faults import Cut, Fault, Reason, Rounded, Unreadable

EXAMPLES = 5
"""Lines named of what was kept only in part."""


class RejectedRow(NamedTuple):
    """A row with faults."""

    line: int
    values: Sequence[Value]
    cells: Sequence[str]
    """What could be read in the importer's own form, the rest as it stands in the file."""
    faults: list[Fault]


class Rows(NamedTuple):
    """A batch, read."""

    lines: list[int]
    columns: list[Sequence[Value]]
    """Of the rows that can be taken; no faults among them."""
    rejected: list[RejectedRow]


@dataclass
class Losses:
    """Counts what was kept only in part, in columns that no rule reads and of amounts beyond the cent."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)

    def note(self, what: str, lines: Sequence[int]) -> None:
        """Count these lines."""
        self.counts[what] += len(lines)
        known = self.examples.setdefault(what, [])
        known += lines[: EXAMPLES - len(known)]

    def __str__(self) -> str:
        """Return a line for each."""
        return "\n".join(
            f"{what}: {count} (line{'s' * (count > 1)} {', '.join(map(str, self.examples[what]))}"
            f"{', ...' * (count > EXAMPLES)})"
            for what, count in self.counts.items()
        )


class RowReader:
    """Reads the batches of one table."""

    def __init__(self, kind: Kind, memories: Sequence[Memory], losses: Losses) -> None:
        """Take how each column is read, and where to count what is lost."""
        self._kind = kind
        self._memories = memories
        self._losses = losses
        self._names = [column.name for column in kind.columns]

    def read(self, batch: Batch) -> Rows:
        """Return the rows of a batch."""
        lines = list(batch.lines)
        columns: list[Sequence[Value]] = [
            memory.read(texts) for memory, texts in zip(self._memories, batch.columns, strict=True)
        ]
        kinds = [set(map(type, values)) for values in columns]
        for at, types in enumerate(kinds):
            if not types.isdisjoint((Unreadable, Rounded, Cut)):
                columns[at] = self._kept(self._names[at], columns[at], lines)
        rejected = [self._ragged(row) for row in batch.ragged]
        if any(Fault in types for types in kinds) or self._contradicts(columns):
            columns, faulty = self._sorted_out(lines, columns, batch.columns)
            rejected += faulty
            bad = {row.line for row in faulty}
            lines = [line for line in lines if line not in bad]
        return Rows(lines, columns, rejected)

    def _kept(self, name: str, values: Sequence[Value], lines: Sequence[int]) -> list[Value]:
        for kind, what in ((Unreadable, "not readable, left out"), (Rounded, "rounded to cents"), (Cut, "cut")):
            found = [line for line, value in zip(lines, values, strict=True) if type(value) is kind]
            if found:
                self._losses.note(f"{name} {what}", found)
        return [None if type(value) is Unreadable else value for value in values]

    def _contradicts(self, columns: Sequence[Sequence[Value]]) -> bool:
        """Tell whether any row contradicts itself, where no cell has a fault."""
        if self._kind.name == "customers":
            return False
        of = dict(zip(self._names, columns, strict=True)).__getitem__
        nameless = any(
            external is None and ours is None
            for external, ours in zip(of("external_loan_id"), of("lending_loan_id"), strict=True)
        )
        return (
            nameless
            or any(map(gt, of("emis_paid_on_time"), of("tenure")))  # type: ignore[arg-type] # whole numbers all
            or any(map(gt, of("start_date"), of("end_date")))  # type: ignore[arg-type] # texts all
        )

    def _sorted_out(
        self, lines: Sequence[int], columns: Sequence[Sequence[Value]], texts: Sequence[Sequence[str]]
    ) -> tuple[list[Sequence[Value]], list[RejectedRow]]:
        good: list[Sequence[Value]] = []
        faulty: list[RejectedRow] = []
        rows = zip(lines, zip(*columns, strict=True), zip(*texts, strict=True), strict=True)
        for line, values, cells in rows:
            faults = [value for value in values if type(value) is Fault] + self._contradictions(values)
            if faults:
                kept = [
                    cell if value is None or type(value) is Fault else str(value)
                    for value, cell in zip(values, cells, strict=True)
                ]
                faulty.append(RejectedRow(line, values, kept, faults))
            else:
                good.append(values)
        return list(zip(*good, strict=True)) or [[] for _ in columns], faulty

    def _contradictions(self, values: Sequence[Value]) -> list[Fault]:
        if self._kind.name == "customers":
            return []
        row = dict(zip(self._names, values, strict=True))
        faults: list[Fault] = []
        if row["external_loan_id"] is None and row["lending_loan_id"] is None:
            faults.append(Fault(Reason.MISSING, "external_loan_id is empty"))
        paid, tenure = row["emis_paid_on_time"], row["tenure"]
        if isinstance(paid, int) and isinstance(tenure, int) and paid > tenure:
            faults.append(Fault(Reason.PAID_MORE_THAN_TENURE, f"{paid} paid of {tenure}"))
        start, end = row["start_date"], row["end_date"]
        if isinstance(start, str) and isinstance(end, str) and start > end:
            faults.append(Fault(Reason.END_BEFORE_START, f"ends {end}, starts {start}"))
        return faults

    def _ragged(self, row: Record) -> RejectedRow:
        line, cells = row
        width = len(self._names)
        fault = Fault(
            Reason.WRONG_NUMBER_OF_FIELDS, f"{len(cells)} cells, unlike the first row: {' | '.join(cells)[:200]}"
        )
        return RejectedRow(line, [None] * width, (cells + [""] * width)[:width], [fault])
