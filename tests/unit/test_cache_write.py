"""The cache's side of one write."""

import pytest

from lending.use_cases.cache_write import CacheWrite
from testkit.fakes import FakeScoreCache

ASHA = 1001


@pytest.fixture
def scores() -> FakeScoreCache:
    return FakeScoreCache()


@pytest.fixture
def write(scores: FakeScoreCache) -> CacheWrite:
    return CacheWrite(scores, ASHA)


def test_a_write_that_never_began_tells_the_cache_nothing(write: CacheWrite, scores: FakeScoreCache) -> None:
    scores.held[ASHA] = b"lease:1"

    assert write.finish()
    write.retract()

    assert scores.held == {ASHA: b"lease:1"}


def test_it_begins_with_a_marker_in_place_of_the_entry(write: CacheWrite, scores: FakeScoreCache) -> None:
    scores.held[ASHA] = b"lease:1"

    marker = write.begin()

    assert marker.startswith(b"write:")
    assert scores.held == {ASHA: marker}


def test_all_its_tries_have_one_marker(write: CacheWrite) -> None:
    assert write.begin() == write.begin()


def test_two_writes_have_two_markers(write: CacheWrite, scores: FakeScoreCache) -> None:
    assert write.begin() != CacheWrite(scores, ASHA).begin()


@pytest.mark.parametrize("end", [CacheWrite.finish, CacheWrite.retract])
def test_its_end_removes_its_marker(write: CacheWrite, scores: FakeScoreCache, end: object) -> None:
    write.begin()

    assert callable(end)
    end(write)

    assert scores.held == {}


@pytest.mark.parametrize("end", [CacheWrite.finish, CacheWrite.retract])
def test_its_end_leaves_the_marker_of_another(write: CacheWrite, scores: FakeScoreCache, end: object) -> None:
    write.begin()
    scores.held[ASHA] = b"write:another"

    assert callable(end)
    end(write)

    assert scores.held == {ASHA: b"write:another"}


def test_it_says_when_the_cache_has_not_confirmed_the_delete(write: CacheWrite, scores: FakeScoreCache) -> None:
    write.begin()
    scores.away = True

    assert not write.finish()
