"""Draws the last results as small SVG charts, legible on light and dark pages."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.results import number_text, path_of, read

WIDTH, LABEL_WIDTH, NUMBER_WIDTH = 720, 256, 80
ROW_HEIGHT, BAR_HEIGHT, TOP, BOTTOM = 26, 16, 48, 14

# The drawing has its own background, so it does not depend on the page's.
STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de } text { fill: #1f2328; font: 13px sans-serif }
  .title { font-weight: bold } .bar { fill: #0969da } .floor { fill: #8c959f }
  .line { fill: none; stroke-width: 2 } .bar.line { stroke: #0969da } .floor.line { stroke: #8c959f }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d } text { fill: #e6edf3 } .bar { fill: #2f81f7 } .floor { fill: #6e7681 }
  }
"""

PLOTS = {
    "warm": "Median of a warm call, microseconds (grey: floors)",
    "cold": "Median from the start of a process to its first answer, milliseconds (grey: floors)",
}
"""The sections whose first table is drawn, with their titles."""
LINES = {"network": "Median of a warm call, milliseconds, by the delay of each round trip (grey: floors)"}
"""The sections whose first table is drawn as lines: a column for each place on the axis, named by its number."""
FLOORS = ("a", "b:", "c:", "d:", "Python")

Bar = tuple[str, float]
Line = tuple[str, list[float]]
LINES_HEIGHT = 260
LEGEND_WIDTH = 290


def draw_plots(folder: Path) -> None:
    """Draw the results that there are."""
    for section, title in PLOTS.items():
        if path_of(section).exists():
            first_table = read(section).findings.tables[0]
            bars = [(str(row[0]), float(row[1] or 0)) for row in first_table.rows]
            (folder / f"{section}.svg").write_text(bar_chart(title, bars), encoding="utf-8")

    for section, title in LINES.items():
        if path_of(section).exists():
            table = read(section).findings.tables[0]
            places = [float(column.split()[0]) for column in table.columns[1:]]
            lines = [(str(row[0]), [float(cell or 0) for cell in row[1:]]) for row in table.rows]
            (folder / f"{section}.svg").write_text(line_chart(title, places, lines), encoding="utf-8")


def line_chart(title: str, places: Sequence[float], lines: Sequence[Line]) -> str:
    """Return a line for each subject over the same places, named at its right end, as an SVG document."""
    width, highest = WIDTH - LEGEND_WIDTH - 40, max(max(values) for _, values in lines)
    across, down = width / places[-1], (LINES_HEIGHT - 40) / highest
    bottom = TOP + LINES_HEIGHT - 40
    drawn = []
    # From the lowest end to the highest, so that no two names lie on each other.
    name_y = float("inf")
    for name, values in sorted(lines, key=lambda line: line[1][-1]):
        points = " ".join(
            f"{40 + place * across:.1f},{bottom - value * down:.1f}"
            for place, value in zip(places, values, strict=True)
        )
        name_y = min(bottom - values[-1] * down + 4, name_y - 16)
        kind = "floor" if name.startswith(FLOORS) else "bar"
        drawn += [
            f'<polyline class="{kind} line" points="{points}"/>',
            f'<text x="{48 + width}" y="{name_y:.1f}">{escape(name)}: {number_text(values[-1])}</text>',
        ]
    marks = [
        f'<text x="{40 + place * across:.1f}" y="{bottom + 20}" text-anchor="middle">{place:g}</text>'
        for place in places
    ]
    return _page(title, TOP + LINES_HEIGHT, [*marks, *drawn])


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Return horizontal bars, each with its label and number, as an SVG document."""
    height = TOP + ROW_HEIGHT * len(bars) + BOTTOM
    longest = max(value for _, value in bars)
    scale = (WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / longest
    return _page(title, height, [_bar(TOP + ROW_HEIGHT * number, bar, scale) for number, bar in enumerate(bars)])


def _page(title: str, height: int, drawn: Sequence[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bar(y: int, bar: Bar, scale: float) -> str:
    label, value = bar
    kind = "floor" if label.startswith(FLOORS) else "bar"
    length = max(1.0, value * scale)
    baseline = y + BAR_HEIGHT - 3
    return (
        f'<text x="{LABEL_WIDTH - 8}" y="{baseline}" text-anchor="end">{escape(label)}</text>'
        f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{y}" width="{length:.1f}" height="{BAR_HEIGHT}" rx="2"/>'
        f'<text x="{LABEL_WIDTH + length + 8:.1f}" y="{baseline}">{number_text(value)}</text>'
    )
