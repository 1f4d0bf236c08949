"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What the command line can change; the same for all sections."""

    rounds: int = 2000
    """Of calls in process and through the emulator."""
    starts: int = 40
    """Of each kind of process."""
    customers: int = 200_000
    """In the large database; each has about ten loans."""
    seconds: int = 10
    """Under each kind of load."""
    soak_seconds: int = 60
