"""Compares a store's clock with this machine's."""

from db.findings import Finding, ok, warning
from lending import clock

WORTH_A_WARNING_SECONDS = 5.0


def compared(store_seconds: float) -> Finding:
    """Tell how far a store's clock is from this machine's.

    Args:
        store_seconds: Seconds since 1970 by the store's clock, asked for just now.
    """
    ahead = store_seconds - clock.now().wall
    if abs(ahead) > WORTH_A_WARNING_SECONDS:
        found = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        to_do = "no promise rests on it, but signed logins and whoever compares two logs do: have both follow one clock"
        return warning(found, to_do)
    return ok(f"within {WORTH_A_WARNING_SECONDS:.0f} s of this machine's")
