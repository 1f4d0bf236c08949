"""Policies for tests: that of the layer, with other numbers."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from lending.adapters.policy_files import FOLDER, in_order, read_policy
from lending.domain.policy import Policy

FIRST: dict[str, Any] = json.loads((FOLDER / "2000-01-01.json").read_text(encoding="utf-8"))
BOUNDS = {"most_approvals_lost": 5, "most_approvals_gained": 5}


def document(*floor_rates: float | None, begins: date | str = "2024-07-01", **members: Any) -> dict[str, Any]:
    """Return the first policy with other floor rates, from a later day on, and with other members."""
    slabs = [slab | {"floor_rate": rate} for slab, rate in zip(FIRST["slabs"], floor_rates, strict=False)]
    return FIRST | {
        "effective_from": str(begins),
        "slabs": slabs + FIRST["slabs"][len(slabs) :],
        "bounds": BOUNDS,
        **members,
    }


def score(**parts: dict[str, Any]) -> dict[str, Any]:
    """Return how the first policy scores, with other numbers in some parts."""
    first: dict[str, Any] = FIRST["score"]
    return first | {name: first[name] | part for name, part in parts.items()}


def write_policy(folder: Path, content: Any, name: str = "next.json") -> Path:
    """Write a policy into a folder, as JSON if it is not text already."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def with_next(path: Path) -> tuple[Policy, ...]:
    """Return the policies of the layer and the one in a file, as an environment knows them."""
    files = [read_policy(each) for each in (*FOLDER.glob("*.json"), path)]
    return tuple(file.policy for file in in_order(files))
