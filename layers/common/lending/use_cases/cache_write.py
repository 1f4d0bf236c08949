"""The cache's side of one write: a marker before it, the entry dropped after it."""

from lending.ports import MARKER, ScoreCache


class CacheWrite:
    """What the cache is told of one request that changes a customer's loans."""

    def __init__(self, scores: ScoreCache, customer_id: int, request_id: str) -> None:
        self._scores = scores
        self._customer_id = customer_id
        self._marker = marker_of(request_id)
        self._begun = False

    def begin(self) -> None:
        """Send the marker, under which no score is stored.

        Called for each try: between two, another writer may have had the customer and removed it.
        """
        self._begun = True
        self._scores.begin_write(self._customer_id, self._marker)

    def confirm(self) -> None:
        """Wait until the marker is there, or its time is over. Called before the commit."""
        self._scores.confirm_write(self._customer_id, self._marker)

    def take_over(self, request_id: str) -> None:
        """Finish the write of an earlier request, which may have been killed right after its commit."""
        marker = marker_of(request_id)
        if marker != self._marker:
            self.retract()  # what an earlier try has put: nobody else would remove it
        self._marker, self._begun = marker, True

    def finish(self, *, in_haste: bool) -> bool:
        """Drop the entry after the commit.

        Args:
            in_haste: There is no time to wait for the cache; the delete is sent all the same.
        Returns:
            Whether the cache has confirmed it, or there was nothing to drop.
        """
        return not self._begun or self._scores.finish_write(self._customer_id, self._marker, wait=not in_haste)

    def retract(self) -> None:
        """Remove the marker, since nothing was written."""
        if self._begun:
            self._scores.retract_write(self._customer_id, self._marker)


def marker_of(request_id: str) -> bytes:
    """Return the marker under which a request writes; the database's triggers derive the same."""
    return MARKER + request_id.encode()
