"""The cache's side of one write: a marker before it, the entry dropped after it."""

from lending.ports import ScoreCache


class CacheWrite:
    """What the cache is told of one request that changes a customer's loans."""

    def __init__(self, scores: ScoreCache, customer_id: int) -> None:
        self._scores = scores
        self._customer_id = customer_id
        self._marker: bytes | None = None

    def begin(self) -> bytes:
        """Put the marker, under which no score is stored; return it. Again for each try of the request."""
        self._marker = self._scores.begin_write(self._customer_id, self._marker)
        return self._marker

    def finish(self) -> bool:
        """Drop the entry after the commit; return whether the cache has confirmed it, or had nothing to be told."""
        return self._marker is None or self._scores.finish_write(self._customer_id, self._marker)

    def retract(self) -> None:
        """Remove the marker, since nothing was written."""
        if self._marker is not None:
            self._scores.retract_write(self._customer_id, self._marker)
