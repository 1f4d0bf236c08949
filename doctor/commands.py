"""Every command that the service sends to its cache, those inside its scripts too, in a form that does no harm."""

from lending.adapters.keyspace import Keyspace
from lending.adapters.redis_connection import Command

NOBODY = 0
"""No customer has this number."""
LEASE = "lease:trial"
SHORT_MILLISECONDS = 1000


def commands(keyspace: Keyspace) -> list[Command]:
    """Return the commands to any server, in an order in which each may be carried out."""
    entry = keyspace.entry(NOBODY)
    return [
        ("SELECT", keyspace.database),
        ("EVAL", "return 1", 1, entry),
        ("SET", entry, LEASE, "NX", "GET", "PX", SHORT_MILLISECONDS),
        ("GET", entry),
        ("GETEX", entry),
        ("PTTL", entry),
        ("DEL", entry),
        # The warm that takes it out again finds no entry of that number.
        ("SADD", keyspace.expiring, NOBODY),
        ("SPOP", keyspace.expiring, 0),
        ("RANDOMKEY",),
        ("SCAN", 0, "MATCH", entry, "COUNT", 1),
    ]


IN_A_CLUSTER: list[Command] = [("CLUSTER", "SLOTS"), ("ASKING",)]
"""What is sent beside, where there are slots that can move."""


def name(command: Command) -> str:
    """Return what a command is called, as an ACL has it."""
    return "CLUSTER|SLOTS" if command in IN_A_CLUSTER[:1] else str(command[0])
