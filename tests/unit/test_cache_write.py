"""The cache's side of one write."""

from collections.abc import Callable

import pytest

from lending.use_cases.cache_write import CacheWrite
from testkit.fakes import FakeScoreCache

ASHA = 1001

End = Callable[[CacheWrite], object]
ENDS = pytest.mark.parametrize("end", [lambda write: write.finish(in_haste=False), CacheWrite.retract])


@pytest.fixture
def scores() -> FakeScoreCache:
    return FakeScoreCache()


@pytest.fixture
def write(scores: FakeScoreCache) -> CacheWrite:
    return CacheWrite(scores, ASHA, "r1")


def put(write: CacheWrite) -> None:
    """Put the marker, as far as the cache is there."""
    write.begin()
    write.confirm()


def test_a_write_that_never_began_tells_the_cache_nothing(write: CacheWrite, scores: FakeScoreCache) -> None:
    scores.held[ASHA] = b"lease:1"

    assert write.finish(in_haste=False)
    assert write.finish(in_haste=True)
    write.retract()

    assert scores.held == {ASHA: b"lease:1"}


def test_it_begins_with_its_requests_marker_in_place_of_the_entry(write: CacheWrite, scores: FakeScoreCache) -> None:
    scores.held[ASHA] = b"lease:1"

    put(write)

    assert scores.held == {ASHA: b"write:r1"}


def test_each_try_puts_its_marker(write: CacheWrite, scores: FakeScoreCache) -> None:
    """Another writer may have removed it since."""
    put(write)
    scores.held.clear()

    put(write)

    assert scores.held == {ASHA: b"write:r1"}


@ENDS
def test_its_end_removes_its_marker(write: CacheWrite, scores: FakeScoreCache, end: End) -> None:
    put(write)

    end(write)

    assert scores.held == {}


@ENDS
def test_its_end_leaves_the_marker_of_another(write: CacheWrite, scores: FakeScoreCache, end: End) -> None:
    put(write)
    scores.held[ASHA] = b"write:another"

    end(write)

    assert scores.held == {ASHA: b"write:another"}


def test_it_tells_whether_the_cache_has_confirmed_the_delete(write: CacheWrite, scores: FakeScoreCache) -> None:
    put(write)

    assert write.finish(in_haste=False)
    scores.away = True
    assert not write.finish(in_haste=False)


def test_in_haste_the_delete_is_sent_without_a_word_of_its_success(write: CacheWrite, scores: FakeScoreCache) -> None:
    put(write)

    assert not write.finish(in_haste=True)

    assert scores.held == {}


def test_a_replay_finishes_the_write_of_the_first_request(write: CacheWrite, scores: FakeScoreCache) -> None:
    scores.held[ASHA] = b"write:first"

    write.take_over("first")

    assert write.finish(in_haste=False)
    assert scores.held == {}


def test_a_replay_leaves_no_marker_of_a_try_before_it(write: CacheWrite, scores: FakeScoreCache) -> None:
    """The first request's delete has left it: it came after that request's own."""
    put(write)

    write.take_over("first")

    assert write.finish(in_haste=False)
    assert scores.held == {}


def test_who_finds_their_own_result_keeps_their_marker_until_the_end(write: CacheWrite, scores: FakeScoreCache) -> None:
    put(write)

    write.take_over("r1")

    assert scores.held == {ASHA: b"write:r1"}
