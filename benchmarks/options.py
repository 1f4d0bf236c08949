"""How much is measured."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """What the command line can change; the same for all sections."""

    rounds: int = field(default=2000, metadata={"help": "of calls, in process and through the emulator"})
    starts: int = field(default=40, metadata={"help": "of each kind of process"})
    customers: int = field(default=200_000, metadata={"help": "in the large database; each has about ten loans"})
    changed: int = field(default=1_000_000, metadata={"help": "customers whom another system changes"})
    seconds: int = field(default=10, metadata={"help": "under each kind of load"})
    soak_seconds: int = field(default=600, metadata={"help": "of the mixed load that is watched for growth"})
