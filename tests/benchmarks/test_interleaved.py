"""The harness times its subjects, and nothing else."""

import time
from functools import partial

import pytest

from benchmarks.interleaved import BLOCKS, Sample, StrayAnswersError, Subject, measure


def test_every_subject_is_called_once_a_round() -> None:
    calls: list[str] = []
    subjects = {name: Subject(calls.append, partial(str, name), lambda _: True) for name in ("a", "b", "c")}

    samples = measure(subjects, rounds=30, warm_up_rounds=5)

    assert [sorted(calls[start : start + 3]) for start in range(0, len(calls), 3)] == [["a", "b", "c"]] * 35
    assert all(len(block) == 30 // BLOCKS for sample in samples.values() for block in sample.blocks)


def test_preparing_a_call_is_not_timed() -> None:
    slowly_prepared = Subject(call=lambda _: None, prepare=lambda: time.sleep(0.01), expected=lambda _: True)

    sample = measure({"a": slowly_prepared}, rounds=10, warm_up_rounds=0)["a"]

    assert sample.median_us < 5_000


def test_a_ratio_compares_medians_stretch_by_stretch() -> None:
    floor, ours = Sample([[1000, 2000, 9000], [4000]]), Sample([[3000, 3000, 3000], [4000]])

    ratio = ours.ratio_to(floor)

    assert ratio == (1.0, 1.0, 1.5)


def test_a_stray_answer_is_counted_and_its_time_is_not() -> None:
    answers = iter([True, False] + [True] * 18)
    subject = Subject(call=lambda _: next(answers), prepare=lambda: None, expected=bool)

    sample = measure({"a": subject}, rounds=20, warm_up_rounds=0)["a"]

    assert sample.strays == 1
    assert sum(len(block) for block in sample.blocks) == 19


def test_a_subject_that_does_something_else_is_refused() -> None:
    with pytest.raises(StrayAnswersError, match="hit: 10 unexpected answers"):
        measure({"hit": Subject(lambda _: "miss", lambda: None, lambda answer: answer == "hit")}, 10, warm_up_rounds=0)


def test_the_99th_percentile_of_a_few_times_is_none_that_was_not_measured() -> None:
    assert Sample([[1000, 2000, 3000]]).p99_us <= 3
