"""Which encoding a text file is in: told by the file itself where it can be, else guessed and said."""

import codecs
from typing import BinaryIO, NamedTuple

from charset_normalizer import from_bytes

from importer.errors import BrokenFileError

CHUNK_BYTES = 1024 * 1024
SAMPLE_BYTES = 256 * 1024
"""Of lines that are not ASCII: enough to tell one alphabet from another."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = "cp1252"
OTHERS = [WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "mac_roman", "cp437", "cp850", "shift_jis", "gb18030"]
"""What spreadsheets and old systems write where it is not Unicode."""


class Encoding(NamedTuple):
    """How a file's bytes become text."""

    name: str
    guess: str = ""
    """For the report, where the file itself does not say: what a line of it is taken for."""


def encoding_of(file: BinaryIO, name: str, given: str | None) -> Encoding:
    """Return the encoding of a file, read to its end and rewound.

    Raises:
        BrokenFileError: There is no such encoding, or none fits.
    """
    if given:
        try:
            return Encoding(codecs.lookup(given).name)
        except LookupError:
            raise BrokenFileError(f"There is no encoding {given!r}; try utf-8, utf-16 or windows-1252.") from None
    file.seek(0)
    start = file.read(64)
    file.seek(0)
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return Encoding(encoding)
    if b"\0" in start:
        return _without_mark(start, name)
    try:
        decoder = codecs.getincrementaldecoder("utf-8")()
        while chunk := file.read(CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _guess(file, name)
    finally:
        file.seek(0)
    return Encoding("utf-8")


def _without_mark(start: bytes, name: str) -> Encoding:
    """Tell UTF-16 by where its zeros are: titles are ASCII for the most part."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if odd > len(start) // 4 and even == 0:
        return Encoding("utf-16-le")
    if even > len(start) // 4 and odd == 0:
        return Encoding("utf-16-be")
    raise BrokenFileError(f"{name} is no text: it begins with {start[:4]!r}.")


def _guess(file: BinaryIO, name: str) -> Encoding:
    """Ask charset-normalizer, which weighs how likely the letters are; Western where that is as likely as any."""
    sample = _lines_beyond_ascii(file)
    matches = from_bytes(sample, cp_isolation=OTHERS, threshold=0.5)
    best = matches.best()
    if best is None:
        raise BrokenFileError(f"{name} is neither UTF-8 nor UTF-16 nor anything else known; name its encoding.")
    equals = {name for match in matches if match.chaos <= best.chaos for name in match.could_be_from_charset}
    encoding = WESTERN if WESTERN in equals else best.encoding
    example = sample.splitlines()[0].decode(encoding, errors="replace").strip()
    return Encoding(encoding, f"read as {encoding}, a guess: is this right? {example!r}")


def _lines_beyond_ascii(file: BinaryIO) -> bytes:
    file.seek(0)
    lines: list[bytes] = []
    size = 0
    while size < SAMPLE_BYTES and (line := file.readline(SAMPLE_BYTES)):
        if not line.isascii():
            lines.append(line)
            size += len(line)
    return b"".join(lines)
