"""The one rounding of the lending rules: half to even, on exact integers."""


def round_half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator (> 0) as the nearest integer, a tie going to the even one."""
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient % 2):
        return quotient + 1
    return quotient
