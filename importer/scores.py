"""Drops the cached scores that an import has made void, without waiting for the next refresh to do it."""

import math
from datetime import date

from importer.errors import ScoresNotDroppedError
from lending import wiring
from lending.errors import StoreUnavailableError
from lending.ports import CacheAwayError
from lending.use_cases.refresh_cache import CacheRefresh


def drop_void_scores(today: date) -> None:
    """Sweep the outbox, in which the import has named every customer whose rows it changed.

    Raises:
        ScoresNotDroppedError: Redis or the database is away. The outbox keeps what is still to be dropped.
    """
    refresh = CacheRefresh(
        outbox=wiring.outbox(),
        store=wiring.loan_store(),
        cache=wiring.bulk_score_cache(),
        today=lambda: today,
        day_in=wiring.day_in,
        policy_of=wiring.policy_of,
        seconds_left=lambda: math.inf,
    )
    try:
        refresh.sweep()
    except (CacheAwayError, StoreUnavailableError, KeyboardInterrupt) as exc:
        raise ScoresNotDroppedError(
            f"The import stands, but scores from before it are still cached ({exc or 'interrupted'}). The next "
            "refresh_cache drops them, within seconds where it is scheduled; here: make refresh."
        ) from exc
