"""The result of a benchmark section: tables, targets and how far to trust them, as JSON and as Markdown."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.interleaved import Ratio
from benchmarks.machine import BUSY_PCT, Load, description

FOLDER = Path(__file__).resolve().parents[1] / ".local/bench"

NOISY = 1.25
"""If a ratio differs by more between the stretches of one run, the machine changed during the run."""

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Numbers under a title."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A target and the measured value."""

    what: str
    measured: float
    at_most: float
    lowest: float
    """The value in each stretch of the run; a count has only one."""
    highest: float

    @classmethod
    def of_ratio(cls, what: str, ratio: Ratio, at_most: float) -> "Target":
        """Return the target for a ratio of medians."""
        return cls(what, ratio.value, at_most, ratio.lowest, ratio.highest)

    @classmethod
    def of_count(cls, what: str, measured: float, at_most: float) -> "Target":
        """Return the target for something that is counted, not timed."""
        return cls(what, measured, at_most, measured, measured)

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        return self.measured <= self.at_most

    @property
    def noisy(self) -> bool:
        """Whether the run's stretches disagree too much."""
        return self.lowest > 0 and self.highest / self.lowest > NOISY


@dataclass
class Findings:
    """The measurements of a section."""

    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """The findings of a section, with their time and their machine."""

    section: str
    findings: Findings
    before: Load
    after: Load
    servers: str
    """Names and versions."""
    machine: str = field(default_factory=description)
    day: date = field(default_factory=lambda: datetime.now(UTC).date())

    @property
    def path(self) -> Path:
        """The file that it is kept in."""
        return path_of(self.section)

    def verdict(self) -> str:
        """Return a sentence on how far to trust the findings."""
        reasons = [f"{target.what} varied by more than {NOISY:.2f}" for target in self.findings.targets if target.noisy]
        busy_pct = max(self.before.busy_pct, self.after.busy_pct)
        if busy_pct > BUSY_PCT:
            reasons.append(f"other programs kept {busy_pct:.0f} % of the cores busy")
        load = f"Load average {self.before.average:.1f} before, {self.after.average:.1f} after."
        if reasons:
            return f"{load} TOO NOISY TO TRUST: {'; '.join(reasons)}."
        return f"{load} Quiet enough to trust."

    def write(self) -> None:
        """Keep it as JSON."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n", encoding="utf-8")


def path_of(section: str) -> Path:
    """Return the file that a section's result is kept in."""
    return FOLDER / f"{section}.json"


def read(section: str) -> Result:
    """Return the last result that was kept."""
    kept = json.loads(path_of(section).read_text(encoding="utf-8"))
    findings = Findings(
        tables=[Table(**table) for table in kept["findings"]["tables"]],
        targets=[Target(**target) for target in kept["findings"]["targets"]],
        remarks=kept["findings"]["remarks"],
    )
    return Result(
        section=kept["section"],
        findings=findings,
        before=Load(*kept["before"]),
        after=Load(*kept["after"]),
        servers=kept["servers"],
        machine=kept["machine"],
        day=date.fromisoformat(kept["day"]),
    )


def to_markdown(result: Result) -> str:
    """Return a result as text for the terminal or README.md."""
    findings = result.findings
    parts = [f"{result.day}, {result.machine}, {result.servers}. {result.verdict()}", *findings.remarks]
    if findings.targets:
        rows: list[list[Cell]] = [
            [target.what, target.measured, target.at_most, "yes" if target.reached else "NO", _range_of(target)]
            for target in findings.targets
        ]
        parts.append(_table(Table("", ["target", "measured", "at most", "reached", "stretches of the run"], rows)))
    for table in findings.tables:
        parts += [f"#### {table.title}", *([table.note] if table.note else []), _table(table)]
    return "\n\n".join(parts)


def _range_of(target: Target) -> str:
    if target.lowest == target.highest:
        return ""
    return f"{number_text(target.lowest)} to {number_text(target.highest)}"


def _table(table: Table) -> str:
    """Return a Markdown table that is also aligned as plain text."""
    texts = [table.columns] + [[number_text(cell) for cell in row] for row in table.rows]
    widths = [max(len(text) for text in column) for column in zip(*texts, strict=True)]
    first, *others = widths
    lines = [
        "| "
        + " | ".join([row[0].ljust(first), *(text.rjust(w) for text, w in zip(row[1:], others, strict=True))])
        + " |"
        for row in texts
    ]
    rule = "|" + "|".join(["-" * (first + 2), *("-" * (width + 1) + ":" for width in others)]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def number_text(cell: Cell) -> str:
    """Return a cell. A number gets only its significant digits."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        decimals = next((decimals for least, decimals in ((100, 0), (10, 1)) if abs(cell) >= least), 2)
        return f"{cell:,.{decimals}f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
