"""The report of a back-test as a page: a table, scores before against after, approvals by slab."""

from collections.abc import Mapping
from html import escape
from typing import Any

SIZE, MARGIN = 420, 40
BAR_WIDTH, BAR_HEIGHT, LABEL_WIDTH = 320, 16, 110
LARGEST_DOT, SMALLEST_DOT = 9.0, 1.2
STYLE = """
  body { font: 15px sans-serif; margin: 2em; max-width: 60em; color: #1f2328; background: #ffffff }
  table { border-collapse: collapse } td, th { padding: 2px 12px; text-align: left; border-bottom: 1px solid #d0d7de }
  svg text { font: 12px sans-serif; fill: #1f2328 } .axis { stroke: #8c959f } .dot { fill: #0969da; fill-opacity: 0.5 }
  .approved { fill: #1a7f37 } .declined { fill: #d0d7de }
"""


def page(report: Mapping[str, Any]) -> str:
    """Return the report as HTML that needs nothing else."""
    title = f"Policy {report['policy']} from {report['effective_from']} on"
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
            f"<style>{STYLE}</style>",
            f"<h1>{escape(title)}</h1>",
            _facts(report),
            "<h2>Scores, before and after</h2>",
            _scores(report["scores"]),
            "<h2>Approvals by slab</h2>",
            *(_slabs(side, report["slabs"][side]) for side in ("before", "after")),
            "<h2>Reasons against</h2>",
            _reasons(report["reasons"]),
            "</html>\n",
        ]
    )


def _facts(report: Mapping[str, Any]) -> str:
    rates, amounts = report["rates_of_those_approved_by_both"], report["mean_highest_loan_amount"]
    rows = {
        "instead of": report["instead_of"],
        "as of": report["business_date"],
        "decided": f"{report['applications']:,} applications ({report['applications_of']}), "
        f"{report['customers']:,} customers",
        "approved": f"{report['approved']['before']:,} before, {report['approved']['after']:,} after",
        "lost": f"{report['approvals_lost']:,}: {report['approvals_lost_pct']} % of those approved before",
        "gained": f"{report['approvals_gained']:,}: {report['approvals_gained_pct']} %",
        "rates": f"{rates['higher']:,} higher, {rates['lower']:,} lower; mean {rates['mean_before']} % before, "
        f"{rates['mean_after']} % after (approved by both)",
        "highest loan amount": f"mean {amounts['before']} before, {amounts['after']} after",
    }
    return _table(list(rows.items()))


def _reasons(reasons: Mapping[str, Mapping[str, int]]) -> str:
    names = sorted({*reasons["before"], *reasons["after"]})
    return _table(
        [("", "before", "after")]
        + [(name, *(f"{reasons[side].get(name, 0):,}" for side in ("before", "after"))) for name in names]
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    cells = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _scores(scores: list[list[int]]) -> str:
    """Return a dot for each pair of scores; its area grows with the number of customers."""
    most = max(customers for *_, customers in scores)
    side, unit = SIZE + 2 * MARGIN, SIZE / 100
    dots = [
        f'<circle class="dot" cx="{MARGIN + before * unit:.1f}" cy="{MARGIN + SIZE - after * unit:.1f}" '
        f'r="{max(SMALLEST_DOT, LARGEST_DOT * (customers / most) ** 0.5):.1f}">'
        f"<title>{before} before, {after} after: {customers:,} customers</title></circle>"
        for before, after, customers in scores
    ]
    end = MARGIN + SIZE
    return (
        f'<svg width="{side}" height="{side}" role="img"><title>Scores before against after</title>'
        f'<path class="axis" fill="none" d="M{MARGIN},{MARGIN}V{end}H{end}M{MARGIN},{end}L{end},{MARGIN}"/>'
        f'<text x="{end - 60}" y="{end + 25}">before: 100</text><text x="4" y="{MARGIN - 12}">after: 100</text>'
        f"{''.join(dots)}</svg>"
    )


def _slabs(side: str, slabs: Mapping[str, Mapping[str, int]]) -> str:
    """Return a bar for each slab: how many of its applications are approved."""
    most = max(sum(slab.values()) for slab in slabs.values())
    bars = []
    for number, (name, slab) in enumerate(slabs.items()):
        y, approved = 20 + number * (BAR_HEIGHT + 8), slab["approved"]
        whole = approved + slab["declined"]
        bars.append(
            f'<text x="0" y="{y + 12}">score {name}</text>'
            f'<rect class="declined" x="{LABEL_WIDTH}" y="{y}" width="{BAR_WIDTH * whole / most:.1f}" height="16"/>'
            f'<rect class="approved" x="{LABEL_WIDTH}" y="{y}" width="{BAR_WIDTH * approved / most:.1f}" height="16"/>'
            f'<text x="{LABEL_WIDTH + BAR_WIDTH + 8}" y="{y + 12}">{approved:,} of {whole:,}</text>'
        )
    height = 30 + len(slabs) * (BAR_HEIGHT + 8)
    return f'<svg width="640" height="{height}" role="img"><text x="0" y="12">{side}</text>{"".join(bars)}</svg>'
