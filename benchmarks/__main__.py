"""Measures what the service costs, and compares it with minimal handlers (floors).

    python -m benchmarks [SECTION|all]  measure and print; --help names the sections
    python -m benchmarks report        write the last results into README.md and its plots

Each section runs in its own process and on its own servers. Its result is kept in .local/bench.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, fields

from benchmarks.options import Options
from benchmarks.report import SECTIONS, write_report
from benchmarks.results import read, to_markdown
from local.run import FUNCTION_ENVIRONMENT


def main() -> int:
    """Carry out the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="all", choices=[*SECTIONS, "all", "report"])
    for option in fields(Options):
        flag = f"--{option.name.replace('_', '-')}"
        described = f"{option.metadata['help']} (default: %(default)s)"
        parser.add_argument(flag, type=int, default=option.default, metavar="N", help=described)
    arguments = vars(parser.parse_args())
    what = arguments.pop("what")
    if what == "report":
        return write_report()
    statuses = [run(name, Options(**arguments)) for name in (SECTIONS if what == "all" else [what])]
    return 1 if any(statuses) else 0


def run(name: str, options: Options) -> int:
    """Run a section and print its result; return its exit status."""
    print(f"\n### {SECTIONS[name]}\n", flush=True)
    # The section uses its own stores, even if this environment names others.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DB_", "REDIS_"))}
    # Unbuffered, as in Lambda.
    environment |= FUNCTION_ENVIRONMENT | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.section", name, json.dumps(asdict(options))],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode == 0:
        print(to_markdown(read(name)), flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
