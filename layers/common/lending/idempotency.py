"""One Idempotency-Key in whatever form it comes in."""

import re
from hashlib import sha256

from lending.caller import Event, earlier_principal_of, principal_of

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


def stored_keys(event: Event, header: str) -> tuple[bytes, ...]:
    """Return what to look for in the store, the first being what to store: the caller's key in 32 bytes.

    The second is what an earlier release stored for the same header, where that differs.

    Raises:
        KeyFormError: As normalised().
        UnknownCallerError: As principal_of().
    """
    key = f"{principal_of(event)}\n{normalised(header)}"
    earlier = f"{earlier_principal_of(event)}\n{header}"
    return tuple(sha256(form.encode()).digest() for form in dict.fromkeys((key, earlier)))


def _unquoted(item: str) -> str:
    return ESCAPED.sub(r"\1", item[1:-1]) if IN_QUOTES(item) else item
