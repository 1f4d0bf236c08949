"""What an import did, in numbers."""

from dataclasses import dataclass

from pymysql.cursors import Cursor

COUNT_VERDICTS = """
SELECT 'customers', verdict, COUNT(*) FROM judged_customers GROUP BY verdict
 UNION ALL
SELECT 'loans', verdict, COUNT(*) FROM judged_loans GROUP BY verdict
"""
COUNT_REJECTED = "SELECT source, reason, COUNT(*) FROM rejected_rows GROUP BY source, reason ORDER BY source, reason"


@dataclass(frozen=True)
class Counts:
    """How many rows of one file met with what."""

    added: int
    changed: int
    unchanged: int
    rejected: dict[str, int]
    """By reason."""


@dataclass(frozen=True)
class Report:
    """What became of the rows of both files."""

    customers: Counts
    loans: Counts

    @property
    def rejects(self) -> bool:
        """Whether any row was rejected."""
        return bool(self.customers.rejected or self.loans.rejected)

    def __str__(self) -> str:
        """Return the counts as a table, and below it those of the rejected rows by reason."""
        lines = [f"{'':10}{'added':>10}{'changed':>10}{'unchanged':>10}{'rejected':>10}"]
        for source, counts in (("customers", self.customers), ("loans", self.loans)):
            rejected = sum(counts.rejected.values())
            lines.append(f"{source:10}{counts.added:>10}{counts.changed:>10}{counts.unchanged:>10}{rejected:>10}")
        for source, counts in (("customers", self.customers), ("loans", self.loans)):
            lines += [f"rejected {source}: {number} {reason}" for reason, number in counts.rejected.items()]
        return "\n".join(lines)


def count(cursor: Cursor) -> Report:
    """Return the report on the merge that this connection has made."""
    cursor.execute(COUNT_VERDICTS)
    verdicts = {(source, verdict): number for source, verdict, number in cursor.fetchall()}
    cursor.execute(COUNT_REJECTED)
    rejected = cursor.fetchall()

    def counts(source: str) -> Counts:
        return Counts(
            added=verdicts.get((source, "added"), 0),
            changed=verdicts.get((source, "changed"), 0),
            unchanged=verdicts.get((source, "unchanged"), 0),
            rejected={reason: number for of, reason, number in rejected if of == source},
        )

    return Report(customers=counts("customers"), loans=counts("loans"))
