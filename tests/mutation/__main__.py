"""Break the rules by machine, one small change at a time, and see whether the unit tests notice: `make mutants`.

mutmut makes the mutants: copies of the code with one thing changed. A mutant is killed when a unit test fails on it; if
it survives, a test is missing or the change changes nothing. survivors.toml names each that may, with its reason.
This fails when fewer than 95 % are killed, when a survivor has no reason, and when a reason has no survivor.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tests.mutation.survivors import Survivor, known_survivors, survivor_of

ROOT = Path(__file__).parents[2]
TREE = ROOT / ".local" / "mutation"
LOG = ROOT / ".local" / "mutation.log"
KILLED = ("killed", "timeout")
FLOOR_PCT = 95


def main() -> int:
    """Run the unit tests on each mutant; return 1 when they notice too little, or not what the list says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("patterns", nargs="*", help="only the mutants that match one, as in 'lending.domain.*'")
    patterns = parser.parse_args().patterns
    lay_out_tree()
    print(f"Running the unit tests on each mutant: minutes. Log: {LOG.relative_to(ROOT)}", flush=True)
    LOG.write_text(mutmut("run", *patterns), encoding="utf-8")
    statuses = dict(line.strip().split(": ") for line in mutmut("results", "--all", "true").splitlines())
    tried = [name for name, status in statuses.items() if status != "not checked"]
    survivors = [survivor_of(name, mutmut("show", name)) for name in tried if statuses[name] not in KILLED]
    return report(len(tried), survivors, known_survivors(), partial=bool(patterns))


def lay_out_tree() -> None:
    """Copy the repository, with the package at the top as well: mutmut names mutants by their path."""
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(ROOT, TREE, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    shutil.copytree(TREE / "layers/common/lending", TREE / "lending")


def mutmut(*arguments: str) -> str:
    """Return what a command of mutmut prints."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    run = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"mutmut failed:\n{run.stdout}")
    return run.stdout


def report(tried: int, survivors: list[Survivor], known: dict[Survivor, str], *, partial: bool) -> int:
    """Print the score and what survived; return the exit status."""
    score = 100 * (tried - len(survivors)) / tried
    unnamed = [each for each in survivors if each not in known]
    outlived = [] if partial else [each for each in known if each not in survivors]
    for each in unnamed:
        print(f"survived, without a reason: {each}")
    for each in outlived:
        print(f"has a reason, but did not survive: {each}")
    named = len(survivors) - len(unnamed)
    print(f"{tried - len(survivors)} of {tried} mutants killed: {score:.1f} % ({named} survivors have their reason)")
    return 1 if score < FLOOR_PCT or unnamed or outlived else 0


if __name__ == "__main__":
    sys.exit(main())
