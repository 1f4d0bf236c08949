"""Writes the last results into README.md, between its markers, and draws the plots beside it."""

import sys
from pathlib import Path

from benchmarks.plots import PLOTS, draw_plots
from benchmarks.results import path_of, read, to_markdown

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

SECTIONS = {
    "warm": "Warm: calls in one process",
    "cold": "Cold: from the start of a process to its first answer",
    "emulator": "Emulator: through AWS's runtime over HTTP",
    "scale": "Scale: a large database",
    "load": "Load: the local front under many requests",
}
"""The module of each section, and its title."""


def write_report() -> None:
    """Put what was measured last in the place of what was measured before."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    measured = [name for name in SECTIONS if path_of(name).exists()]
    parts = [_section(name) for name in measured]
    README.write_text("\n\n".join([f"{before}{BEGIN}", *parts, f"{END}{after}"]), encoding="utf-8")
    draw_plots(README.parent)
    print(f"Wrote the results of {', '.join(measured)} into {README.name}.", file=sys.stderr)


def _section(name: str) -> str:
    plot = [f"![{PLOTS[name]}]({name}.svg)"] if name in PLOTS else []
    return "\n\n".join([f"### {SECTIONS[name]}", *plot, to_markdown(read(name))])
