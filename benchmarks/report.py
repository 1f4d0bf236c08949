"""Writes the last results into README.md, each between its marks, and draws the plots beside it."""

import sys
from pathlib import Path

from benchmarks.plots import LINES, PLOTS, draw_plots
from benchmarks.results import path_of, read, to_markdown

README = Path(__file__).with_name("README.md")

SECTIONS = {
    "warm": "Warm: calls in one process",
    "network": "Network: calls by the delay of each round trip",
    "cold": "Cold: from the start of a process to its first answer",
    "logins": "Logins: a cold start with a login by IAM, against the same without",
    "emulator": "Emulator: through AWS's runtime over HTTP",
    "scale": "Scale: a large database",
    "policies": "Policies: a back-test of a large book, replay, decisions in bulk",
    "outside": "Outside: another system's UPDATE",
    "faults": "Faults: a cache that fails",
    "load": "Load: the local front under many requests",
    "pages": "Pages: the same, while somebody looks",
}
"""The module of each section, and its title."""


def write_report(readme: Path = README) -> int:
    """Replace the results in README.md with the last ones; return the exit status."""
    measured = [name for name in SECTIONS if path_of(name).exists()]
    if not measured:
        print("Nothing has been measured here yet: `make bench`.", file=sys.stderr)
        return 1
    page = readme.read_text(encoding="utf-8")
    for name in measured:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = "\n\n".join([f"{before}{begin}", _section(name), f"{end}{after}"])
    readme.write_text(page, encoding="utf-8")
    draw_plots(readme.parent)
    print(f"Wrote the results of {', '.join(measured)} into {readme.name}.", file=sys.stderr)
    return 0


def _section(name: str) -> str:
    title = (PLOTS | LINES).get(name)
    plot = [f"![{title}]({name}.svg)"] if title else []
    return "\n\n".join([f"### {SECTIONS[name]}", *plot, to_markdown(read(name))])
