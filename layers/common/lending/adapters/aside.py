"""A call that may take longer than anybody can wait for it: it runs aside, and goes on when its caller gives up."""

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """Runs a call in a thread, one at a time."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._thread: Thread | None = None
        self._results: list[T] = []
        self._failures: list[BaseException] = []

    @property
    def under_way(self) -> bool:
        """Whether a call has begun whose result nobody has had."""
        return self._thread is not None

    def result(self, seconds: float) -> T:
        """Return what the call returns. One that is under way is waited for, and not made again.

        Raises:
            TimeoutError: It takes longer. It goes on; a later caller gets what it comes to.
            Exception: What it raised.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()
        self._thread.join(max(seconds, 0))
        if self._thread.is_alive():
            raise TimeoutError(f"no answer within {seconds:.3g} s")
        self._thread = None
        if self._failures:
            raise self._failures.pop()
        return self._results.pop()

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as exc:  # noqa: BLE001 - whoever waits gets it
            self._failures.append(exc)
