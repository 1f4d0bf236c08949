"""A mutant that survives, told by what it changes; its number would shift with every edit of its function."""

import tomllib
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_name("survivors.toml")


class Survivor(NamedTuple):
    """A line of a function, and what it could as well be."""

    function: str
    """As in lending.domain.loans.end_of_tenure or lending.adapters.breaker.Breaker.lets_through."""
    line: str
    instead: str

    def __str__(self) -> str:
        """Show the change as a diff does."""
        return f"{self.function}\n    - {self.line}\n    + {self.instead}"


def known_survivors() -> dict[Survivor, str]:
    """Return the survivors that may be, each with its reason."""
    with LIST.open("rb") as file:
        groups = tomllib.load(file)["survivors"]
    return {Survivor(group["function"], *change): group["reason"] for group in groups for change in group["changes"]}


def survivor_of(mutant: str, diff: str) -> Survivor:
    """Return the survivor that mutmut names and shows."""
    lines = diff.splitlines()
    removed = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    added = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    # A function is named x_function__mutmut_3, a method xǁClassǁmethod__mutmut_3, each behind its module.
    module, _, mangled = mutant.partition("__mutmut_")[0].rpartition(".")
    function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return Survivor(f"{module}.{function}", " ".join(removed), " ".join(added))
