"""Has checkov look for insecure settings in the largest stacks of the template: `make check` runs it.

checkov knows little of SAM and does not evaluate conditions. So it gets expanded stacks without conditions.
.checkov.yaml says which of its rules do not apply, and why.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.template.concrete import Concrete
from tests.template.scenarios import SCENARIOS

STACKS = ("prod with a proxy", "cache cluster", "serverless cache", "own everything")


def main() -> int:
    """Check the stacks; return checkov's exit status."""
    given = json.dumps([{"parameters": SCENARIOS[name]} for name in STACKS])
    command = [".local/sam/bin/python", "tests/template/sam_tools.py", "expand"]
    expanded = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, template in zip(STACKS, json.loads(expanded.stdout), strict=True):
            stack = Concrete(template, SCENARIOS[name])
            Path(folder, f"{name}.json").write_text(json.dumps(stack.as_template(), indent=1), encoding="utf-8")
        checkov = [".local/checkov/bin/checkov", "--config-file", ".checkov.yaml", "--directory", folder]
        return subprocess.run(checkov, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
