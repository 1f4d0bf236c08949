"""One Idempotency-Key in whatever form it comes in."""

import re
from hashlib import sha256

from lending.caller import Caller

HEADER = "Idempotency-Key"
PRINTABLE = re.compile("[ -~]{1,255}").fullmatch
# Items of a list header with the comma after each: text in quotes (RFC 8941), where a comma is text too, or plain.
ITEMS = re.compile(r' *"(?:[^"\\]|\\.)*" *,|[^,]*,').findall
IN_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*"').fullmatch
ESCAPED = re.compile(r'\\(["\\])')


class KeyFormError(Exception):
    """The header is no key; the message says why, in words that fit after its name."""


def normalised(header: str) -> str:
    """Return the key that a header stands for.

    The quotes of the standard's draft are no part of it, and a header that came twice arrives as `K,K`.

    Raises:
        KeyFormError: It is no key, or more than one.
    """
    keys = {_unquoted(item[:-1].strip(" ")) for item in ITEMS(header + ",")}
    if len(keys) > 1:
        raise KeyFormError("must be one key; one with a comma in it needs quotes")
    key = keys.pop()
    if not PRINTABLE(key):
        raise KeyFormError("must be 1 to 255 printable ASCII characters")
    return key


def stored_key(caller: Caller, header: str) -> tuple[bytes, bytes | None]:
    """Return the caller's key as it is stored, in 32 bytes, and as an earlier release stored it, where that differs.

    Raises:
        KeyFormError: As normalised().
    """
    key = f"{caller.principal}\n{normalised(header)}"
    earlier = f"{caller.earlier_principal}\n{header}"
    return _digest(key), None if earlier == key else _digest(earlier)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _unquoted(item: str) -> str:
    return ESCAPED.sub(r"\1", item[1:-1]) if IN_QUOTES(item) else item
