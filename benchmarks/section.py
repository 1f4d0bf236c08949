"""Runs one section in this process, on its own servers: `python -m benchmarks.section NAME OPTIONS`.

The section's result goes to its file. Standard output is full of the handlers' log lines, and nobody reads it here.
"""

import json
import sys
from importlib import import_module

from benchmarks.built import NotBuiltError
from benchmarks.machine import load
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.stores import private_stores


def main() -> None:
    """Run the section."""
    name, options = sys.argv[1], Options(**json.loads(sys.argv[2]))
    before = load()
    with private_stores() as stores:
        # Imported only now, because handlers and floors look for their stores when they are imported or called.
        try:
            findings = import_module(f"benchmarks.{name}").measure_section(stores, options)
        except NotBuiltError as exc:
            sys.exit(f"{name} was not measured: {exc}")
        servers = stores.describe()
    Result(name, findings, before, load(), servers).write()


if __name__ == "__main__":
    main()
