"""Results are kept, printed and judged as they were measured."""

from pathlib import Path
from xml.dom.minidom import parseString

import pytest

from benchmarks import results
from benchmarks.interleaved import Ratio
from benchmarks.machine import Load
from benchmarks.plots import bar_chart
from benchmarks.report import write_report
from benchmarks.results import Findings, Result, Table, Target, read, to_markdown

QUIET = Load(average=0.1, busy_pct=1.0)
BUSY = Load(average=4.0, busy_pct=90.0)
STEADY = Target.of_ratio("hit / b", Ratio(1.4, 1.38, 1.45), at_most=1.5)


def result(*targets: Target, before: Load = QUIET) -> Result:
    table = Table("Warm calls", ["", "median us"], [["hit", 123.4], ["miss, 10 loans", None]])
    return Result("warm", Findings([table], list(targets), ["Pinned."]), before, QUIET, "MariaDB, Redis")


def test_a_result_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    written = result(STEADY)

    written.write()

    assert read("warm") == written


def test_a_target_above_its_bound_is_not_reached() -> None:
    missed = Target.of_count("Redis round trips of a hit", 2, at_most=1)

    assert STEADY.reached
    assert not missed.reached
    assert "|      NO |" in to_markdown(result(missed))


@pytest.mark.parametrize(
    ("untrusted", "reason"),
    [
        (result(Target.of_ratio("hit / b", Ratio(1.4, 1.0, 1.6), at_most=1.5)), "hit / b varied"),
        (result(STEADY, before=BUSY), "other programs kept 90 % of the cores busy"),
    ],
)
def test_a_noisy_run_is_called_so(untrusted: Result, reason: str) -> None:
    assert f"TOO NOISY TO TRUST: {reason}" in untrusted.verdict()
    assert "Quiet enough to trust." in result(STEADY).verdict()


def test_a_report_replaces_what_was_measured_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    page = tmp_path / "README.md"
    page.write_text(
        "<!-- warm: begin -->\nold\n<!-- warm: end -->\n<!-- load: begin -->\nkept\n<!-- load: end -->\nAfter.\n"
    )

    nothing_yet = write_report(page)
    result(STEADY).write()
    written = write_report(page)

    assert (nothing_yet, written) == (1, 0)
    assert "old" not in page.read_text()
    assert "hit / b" in page.read_text().partition("<!-- warm: end -->")[0]
    assert "kept\n<!-- load: end -->\nAfter." in page.read_text()


def test_a_plot_is_well_formed_whatever_the_labels() -> None:
    drawing = parseString(bar_chart("a < b & c", [("a: empty", 1.9), ("hit <1>", 120.0)]))  # noqa: S318 - drawn here

    assert len(drawing.getElementsByTagName("rect")) == 1 + 2
