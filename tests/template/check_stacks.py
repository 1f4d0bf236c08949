"""Lints expanded stacks, and has checkov look for insecure settings in the largest: `make check` runs it.

`sam validate --lint` sees neither SAM's own resources nor the values behind conditions, and checkov evaluates none.
So cfn-lint gets the expanded template, and both get stacks without conditions. .checkov.yaml says which of checkov's
rules do not apply, and why.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.template.concrete import Concrete
from tests.template.scenarios import SCENARIOS

LINTED = ("prod with a proxy", "x86_64 and JWTs", "restored", "own VPC, with a proxy", "own everything")
SECURED = ("prod with a proxy", "cache cluster", "serverless cache", "own everything")


def main() -> int:
    """Check the stacks; return 1 where something is wrong."""
    names = [*dict.fromkeys(LINTED + SECURED)]
    template, *expanded = _sam_tool("expand", [{"parameters": each} for each in ({}, *map(SCENARIOS.get, names))])
    stacks = {name: Concrete(each, SCENARIOS[name]) for name, each in zip(names, expanded, strict=True)}
    # cfn-lint tries all combinations of a template's conditions, but skips what a condition's value would tell it.
    return int(_lint({"template.yaml": template} | {name: stacks[name].as_template() for name in LINTED})) | _checkov(
        {name: stacks[name].as_template() for name in SECURED}
    )


def _sam_tool(command: str, given: list[Any]) -> list[Any]:
    done = subprocess.run(
        [".local/sam/bin/python", "tests/template/sam_tools.py", command],
        input=json.dumps(given),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def _lint(templates: dict[str, Any]) -> bool:
    """Print what cfn-lint finds in the templates; return whether it finds anything."""
    found = dict(zip(templates, _sam_tool("lint", [*templates.values()]), strict=True))
    for name, complaints in found.items():
        for complaint in complaints:
            print(f"{name}: {complaint}")
    return any(found.values())


def _checkov(templates: dict[str, Any]) -> int:
    """Return checkov's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        for name, template in templates.items():
            Path(folder, f"{name}.json").write_text(json.dumps(template, indent=1), encoding="utf-8")
        checkov = [".local/checkov/bin/checkov", "--config-file", ".checkov.yaml", "--directory", folder]
        return subprocess.run(checkov, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
