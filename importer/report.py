"""What an import did: rows and sums that a controller can sign, every fault, whoever is on hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pymysql.cursors import Cursor

from importer.errors import ImportFailedError
from importer.lookalikes import notes_on_lookalikes
from importer.totals import FileTotals, Totals

FAULTS_SHOWN = 20
CUSTOMERS_SHOWN = 50

IS_RUNNING = "loans.status <> 'PAID' AND loans.end_date >= @today"
BOOK = {
    "customers": "SELECT COUNT(*), COALESCE(SUM(approved_limit), 0), 0, 0 FROM customers",
    "loans": f"SELECT COUNT(*), COALESCE(SUM(loan_amount), 0), COALESCE(SUM(IF({IS_RUNNING}, loan_amount, 0)), 0), 0"
    " FROM loans",
}
# What was staged, joined to what the database has of it now: a row that is not there, or has another sum, shows.
TAKEN = {
    "customers": """
    SELECT COUNT(*), COALESCE(SUM(staged_customers.approved_limit), 0), 0, 0,
           COALESCE(SUM(customers.approved_limit = staged_customers.approved_limit), 0)
      FROM staged_customers JOIN customers ON customers.customer_id = staged_customers.customer_id
    """,
    "loans": f"""
    SELECT COUNT(*), COALESCE(SUM(staged_loans.loan_amount), 0),
           COALESCE(SUM(IF({IS_RUNNING}, loans.loan_amount, 0)), 0), 0,
           COALESCE(SUM(loans.loan_amount = staged_loans.loan_amount), 0)
      FROM staged_loans
      JOIN loans ON loans.customer_id = staged_loans.customer_id
                AND loans.external_loan_id = staged_loans.external_loan_id
    """,
    "progress": f"""
    SELECT COUNT(*), COALESCE(SUM(staged_progress.loan_amount), 0),
           COALESCE(SUM(IF({IS_RUNNING}, loans.loan_amount, 0)), 0), 0, COUNT(*)
      FROM staged_progress JOIN loans ON loans.loan_id = staged_progress.lending_loan_id
    """,
}
REJECTED = """
SELECT COUNT(*), COALESCE(SUM(amount), 0), COALESCE(SUM(IF(is_running, amount, 0)), 0),
       COALESCE(SUM(amount IS NULL), 0)
  FROM rejected_rows WHERE source = %s
"""
COUNTS = {
    "customers": "SELECT COUNT(*), COALESCE(SUM(changes), 0) FROM present_customers",
    "loans": "SELECT COUNT(*), COALESCE(SUM(changes), 0) FROM present_loans",
    "progress": "SELECT (SELECT COUNT(*) FROM staged_progress), (SELECT COUNT(*) FROM changed_progress)",
}
OTHER_TERMS = """
SELECT COUNT(*), COALESCE(SUM(staged_progress.loan_amount - loans.loan_amount), 0)
  FROM staged_progress JOIN loans ON loans.loan_id = staged_progress.lending_loan_id
 WHERE (staged_progress.loan_amount, staged_progress.tenure, staged_progress.monthly_repayment,
        staged_progress.start_date)
    <> (loans.loan_amount, loans.tenure, loans.monthly_repayment, loans.start_date)
"""
FAULT_COUNTS = "SELECT source, reason, COUNT(*) FROM faults GROUP BY source, reason ORDER BY source, reason"
FIRST_FAULTS = f"SELECT source, line, reason, detail FROM faults ORDER BY source, line, number LIMIT {FAULTS_SHOWN}"
HOLD_CHANGES = "SELECT customer_id FROM hold_changes WHERE on_hold = %s AND (on_hold OR differs) ORDER BY customer_id"
NAMELESS = """
SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM rejected_rows WHERE source = 'loans' AND customer_id IS NULL
"""


@dataclass(frozen=True)
class Part:
    """What became of one file."""

    file: Totals
    taken: Totals
    rejected: Totals
    before: Totals
    """The database's whole table."""
    after: Totals
    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True)
class Report:
    """What became of both files."""

    customers: Part
    loans: Part
    notes: Sequence[str] = ()
    """What was made of the files, and what of them was kept only in part."""
    fault_counts: Sequence[tuple[str, str, int]] = ()
    first_faults: Sequence[tuple[str, int, str, str]] = ()
    held: Sequence[int] = ()
    """Customers who are on hold, since rows of theirs were rejected."""
    released: Sequence[int] = ()
    names: dict[str, str] = field(default_factory=dict)
    """Of the files."""

    @property
    def rejected(self) -> int:
        """The number of rejected rows."""
        return self.customers.rejected.rows + self.loans.rejected.rows

    @property
    def taken(self) -> int:
        """The number of rows taken."""
        return self.customers.taken.rows + self.loans.taken.rows

    def __str__(self) -> str:
        """Return it as text."""
        parts = [
            _table("customers", self.customers, "approved limits", running=False),
            "",
            _table("loans", self.loans, "amounts", running=True),
        ]
        if self.notes:
            parts += ["", *self.notes]
        if self.fault_counts:
            parts += ["", *(f"{source}: {count} {reason}" for source, reason, count in self.fault_counts)]
            parts += [
                f"  {self.names.get(source, source)}, line {line}: {reason}: {detail}"
                for source, line, reason, detail in self.first_faults
            ]
            if sum(count for *_, count in self.fault_counts) > len(self.first_faults):
                parts += ["  ... and more: the rejected rows are written out with all of theirs."]
        if self.held:
            parts += ["", f"On hold, for rejected rows: {len(self.held)} customers: {_some(self.held)}"]
        if self.released:
            parts += ["", f"No longer on hold, all rows taken: {len(self.released)} customers: {_some(self.released)}"]
        return "\n".join(parts)


def before(cursor: Cursor) -> dict[str, Totals]:
    """Return what both tables of the database add up to."""
    return {name: _totals(cursor, sql) for name, sql in BOOK.items()}


def draw_up(
    cursor: Cursor,
    files: dict[str, FileTotals],
    books_before: dict[str, Totals],
    notes: Sequence[str],
    names: dict[str, str],
) -> Report:
    """Return the report on the merge that this connection has made, and check that it adds up.

    Raises:
        ImportFailedError: It does not; the importer's own mistake.
    """
    kept_terms, difference = _row(cursor, OTHER_TERMS)
    notes = list(notes)
    if kept_terms:
        notes.append(
            f"{kept_terms} loans made here have other terms in the file; ours stand. "
            f"Its amounts are {difference:+,} of ours."
        )
    if "loans" in files:
        notes += notes_on_lookalikes(cursor, names["loans"])
    nameless, amount = _row(cursor, NAMELESS)
    if nameless:
        notes.append(f"{nameless} rejected loans ({amount:,}) name no customer: nobody can be put on hold for them.")
    cursor.execute(FAULT_COUNTS)
    fault_counts = list(cursor.fetchall())
    cursor.execute(FIRST_FAULTS)
    first_faults = list(cursor.fetchall())
    return Report(
        customers=_part(cursor, "customers", ("customers",), files, books_before),
        loans=_part(cursor, "loans", ("loans", "progress"), files, books_before),
        notes=notes,
        fault_counts=fault_counts,
        first_faults=first_faults,
        held=_ids(cursor, on_hold=1),
        released=_ids(cursor, on_hold=0),
        names=names,
    )


def _part(
    cursor: Cursor,
    name: str,
    staged: Sequence[str],
    files: dict[str, FileTotals],
    books_before: dict[str, Totals],
) -> Part:
    taken, added, changed, unchanged = Totals(0, Decimal(0)), 0, 0, 0
    for each in staged:
        rows, amount, running, _, right = _row(cursor, TAKEN[each])
        if right != rows:
            raise ImportFailedError(f"It does not add up: of {rows} {each} taken, {right} are in the database so")
        taken = Totals(taken.rows + rows, taken.amount + amount, taken.running + running)
        present, differing = _row(cursor, COUNTS[each])
        added, changed, unchanged = added + rows - present, changed + differing, unchanged + present - differing
    rejected = _totals(cursor, REJECTED, (name,))
    file = files.get(name, FileTotals(0, Decimal(0)))
    if (file.rows, file.amount) != (taken.rows + rejected.rows, taken.amount + rejected.amount):
        raise ImportFailedError(
            f"It does not add up: {file.rows} {name} of {file.amount} in the file, "
            f"{taken.rows} of {taken.amount} taken, {rejected.rows} of {rejected.amount} rejected"
        )
    return Part(
        file=Totals(file.rows, file.amount, taken.running + rejected.running, rejected.unreadable),
        taken=taken,
        rejected=rejected,
        before=books_before[name],
        after=_totals(cursor, BOOK[name]),
        added=added,
        changed=int(changed),
        unchanged=int(unchanged),
    )


def _row(cursor: Cursor, sql: str, parameters: Sequence[object] = ()) -> tuple[int, ...]:
    cursor.execute(sql, parameters)
    (row,) = cursor.fetchall()
    return row


def _totals(cursor: Cursor, sql: str, parameters: Sequence[object] = ()) -> Totals:
    rows, amount, running, unreadable = _row(cursor, sql, parameters)
    return Totals(rows, Decimal(amount), Decimal(running), int(unreadable))


def _ids(cursor: Cursor, *, on_hold: int) -> list[int]:
    cursor.execute(HOLD_CHANGES, (on_hold,))
    return [customer_id for (customer_id,) in cursor.fetchall()]


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:CUSTOMERS_SHOWN])) + ", ..." * (len(ids) > CUSTOMERS_SHOWN)


def _table(name: str, part: Part, amounts: str, *, running: bool) -> str:
    lines = [f"{name:<24}{'rows':>12}{amounts:>22}{'of it running' if running else '':>22}".rstrip()]
    for label, totals in (
        ("in the file", part.file),
        ("taken", part.taken),
        ("rejected", part.rejected),
        ("in the database before", part.before),
        ("in the database after", part.after),
    ):
        line = f"{'  ' + label:<24}{totals.rows:>12,}{totals.amount:>22,.2f}"
        line += f"{totals.running:>22,.2f}" if running else ""
        lines.append(line + f"  and {totals.unreadable} not readable" * bool(totals.unreadable))
    return "\n".join([*lines, f"  {part.added:,} added, {part.changed:,} changed, {part.unchanged:,} unchanged"])
