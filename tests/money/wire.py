"""Reads MySQL's protocol in a proxy: which statement a piece carries, and on which connection."""

COM_QUERY = 3
GREETING = (0, 10)
"""The server opens a connection with this sequence number and protocol version."""


def statement(piece: bytes) -> bytes:
    """Return the SQL in a request; nothing for a request that is no query."""
    return piece[5:] if piece[4:5] == bytes([COM_QUERY]) else b""


def commits(piece: bytes) -> bool:
    """Tell whether a request is a COMMIT."""
    return statement(piece) == b"COMMIT"


def lends(piece: bytes) -> bool:
    """Tell whether a request inserts a loan."""
    return statement(piece).split()[:3] == [b"INSERT", b"INTO", b"loans"]


def connection_id(piece: bytes) -> int | None:
    """Return the id that the server gives a new connection; None for a reply that opens none."""
    if tuple(piece[3:5]) != GREETING:
        return None
    after_version = piece.index(b"\0", 5) + 1
    return int.from_bytes(piece[after_version : after_version + 4], "little")
