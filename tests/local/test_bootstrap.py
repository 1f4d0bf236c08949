"""The script that makes the project's environments leaves alone what is not in this checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest

from testkit.template import ROOT


@pytest.mark.parametrize("link", [".local", ".local/venv", ".local/sam"])
def test_a_link_in_place_of_an_environment_is_refused_and_what_it_links_to_stays(tmp_path: Path, link: str) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    (checkout / "local").mkdir(parents=True)
    shutil.copy(ROOT / "local/bootstrap.sh", checkout / "local")
    kept = elsewhere / ("venv/kept" if link == ".local" else "kept")
    kept.parent.mkdir(parents=True)
    kept.touch()
    (checkout / link).parent.mkdir(exist_ok=True)
    (checkout / link).symlink_to(elsewhere)

    done = subprocess.run(
        [checkout / "local/bootstrap.sh", *(["sam"] if link.endswith("sam") else [])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert f"{link} is a link" in done.stderr
    assert kept.exists()
