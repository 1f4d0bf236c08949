"""Numbers as people write them: 50,000.00 and 50.000,00, $5, 8.2 %, 1.0."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from importer.errors import BrokenFileError

Mark = Literal[".", ","]

CENT = Decimal("0.01")
MAX_DIGITS = 30
"""No number that means something has more; a longer one only takes time."""

PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]+)?")
CURRENCY = (
    r"(?:[$€£¥₹₽₩₦₫₺₪₱฿₴₵]|Rs\.?|R\$|kr\.?|zł|"
    r"AED|AUD|BDT|BRL|CAD|CHF|CNY|DKK|EUR|GBP|GHS|IDR|INR|JPY|KES|LKR|MXN|MYR|NGN|NOK|NPR|PHP|PKR|PLN|SEK|SGD|THB|TZS|UGX|"
    r"USD|VND|ZAR)"
)
"""Only what is known: 50k, 2M, 3L and 1Cr are other amounts than 50, 2, 3 and 1."""
AROUND = re.compile(rf"(-?){CURRENCY}?\s*(-?)\s*([0-9](?:.*[0-9])?)\s*{CURRENCY}?", re.IGNORECASE | re.DOTALL)
BLANKS = r"\s'\u2019"
"""A blank or an apostrophe, straight or not, parts groups of digits too."""


def _core(grouping: str, mark: str) -> re.Pattern[str]:
    """Return what digits look like, in groups of three or, as in India, of two: 45,00,000."""
    groups = rf"[1-9][0-9]{{0,2}}(?P<g>[{grouping}{BLANKS}])(?:[0-9]{{2,3}}(?P=g))*[0-9]{{3}}"
    return re.compile(rf"(?:[0-9]+|{groups})(?:{mark}[0-9]+)?")


CORES: dict[Mark, re.Pattern[str]] = {".": _core(",", "\\."), ",": _core(".", ",")}
IN_BETWEEN = re.compile(f"[{BLANKS}]")


def read(text: str, mark: Mark) -> Decimal | None:
    """Return the number that a text is where `mark` begins the decimals; None for none."""
    if mark == "." and PLAIN.fullmatch(text):
        return Decimal(text)
    around = AROUND.fullmatch(text)
    if around is None or len(text) > MAX_DIGITS:
        return None
    sign, inner_sign, core = around.groups()
    if not CORES[mark].fullmatch(core):
        return None
    grouping = "," if mark == "." else "."
    digits = IN_BETWEEN.sub("", core.replace(grouping, "")).replace(mark, ".")
    return Decimal((sign or inner_sign) + digits)


def to_cents(number: Decimal) -> Decimal:
    """Return the number with two decimals, half to even."""
    return number.quantize(CENT, rounding=ROUND_HALF_EVEN)


@dataclass
class DecimalMark:
    """Finds out which mark begins the decimals in a file, from all its numbers."""

    name: str
    """What to call the file."""
    _only: dict[tuple[Mark, str], tuple[int, str]] = field(default_factory=dict)
    """By mark and column, the first line and number that make sense with that mark alone."""
    _either: dict[tuple[Mark, str], tuple[int, str]] = field(default_factory=dict)
    """By the mark that it has and column, the first line and number that make sense with both, and differ."""

    def look(self, column: str, text: str, highest: Decimal, line: Callable[[], int]) -> None:
        """Take a number into account; one without a mark, or of the same value whichever it is, tells nothing."""
        point, comma = (
            number if number is not None and number <= highest else None for number in (read(text, m) for m in CORES)
        )
        if point is not None and comma is None:
            self._only.setdefault((".", column), (line(), text))
        elif comma is not None and point is None:
            self._only.setdefault((",", column), (line(), text))
        elif point != comma:
            self._either.setdefault(("." if "." in text else ",", column), (line(), text))

    def is_point_in(self, column: str) -> bool:
        """Tell whether a column has a number that makes sense with a point alone."""
        return (".", column) in self._only

    def found(self) -> Mark:
        """Return the mark.

        50,000 is fifty thousand where nothing speaks against it: nobody writes money with three decimals. 50.000 may
        be fifty, as programs write it, or fifty thousand, as half of Europe does.

        Raises:
            BrokenFileError: There are both, or there is no telling.
        """
        by_mark: dict[Mark, tuple[int, str]] = {}
        for (mark, _), example in self._only.items():
            by_mark.setdefault(mark, example)
        if len(by_mark) > 1:
            (line, text), (other_line, other) = by_mark["."], by_mark[","]
            raise BrokenFileError(
                f"{self.name} has numbers of two forms: {text} in line {line}, {other} in line {other_line}."
            )
        found: Mark = next(iter(by_mark), ".")
        for (mark, column), (line, text) in self._either.items():
            # Three digits behind the mark are taken for decimals only where the column has others that must be.
            if mark == found and (mark, column) not in self._only:
                raise BrokenFileError(
                    f"{self.name}: {text} in line {line} may be {read(text, '.')} or {read(text, ',')}, and no other "
                    f"{column} tells which. Say --decimal-mark . or --decimal-mark ,"
                )
        return found
