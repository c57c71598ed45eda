"""Macro error rates: worked by hand, and against a bootstrap of people."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.errors import StatisticsError
from facegap.statistics.clusters import clustered_rate
from facegap.statistics.macro import macro_rate


def test_a_rare_class_weighs_as_much_as_a_common_one() -> None:
    # 1 of 2 and 1 of 8 wrong: (0.5 + 0.125) / 2, while the overall error rate is 0.2
    wrong = np.array([True, False, True, *[False] * 7])
    found = macro_rate(wrong, np.array([0, 0, *[1] * 8]), np.arange(10), n_classes=2)
    assert found.value == pytest.approx(0.3125)
    assert (found.errors, found.trials, found.subjects) == (2, 10, 10)
    assert 0 < found.low < found.value < found.high < 1


def test_of_one_class_it_is_the_error_rate_with_its_interval() -> None:
    wrong = np.arange(60) < 9
    found = macro_rate(wrong, np.zeros(60, np.int64), np.arange(60), n_classes=1)
    rate = clustered_rate(wrong, None, np.arange(60))
    assert found.value == rate.value
    assert (found.low, found.high) == pytest.approx((rate.low, rate.high), abs=0.01)


def test_a_class_that_nobody_has_leaves_the_rate_undefined() -> None:
    found = macro_rate(np.array([True, False]), np.array([0, 0]), np.arange(2), n_classes=2)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(macro_rate(np.empty(0, bool), np.empty(0, np.int64), np.empty(0, np.int64), n_classes=2).value)


def test_without_errors_the_people_of_the_classes_bound_it() -> None:
    found = macro_rate(np.zeros(30, bool), np.repeat([0, 1], [10, 20]), np.arange(30), n_classes=2)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.effective_trials == pytest.approx(4 / (1 / 10 + 1 / 20))  # 26.7 people
    assert 0.1 < found.high < 0.2


def test_one_person_has_no_interval_and_repeated_people_widen_it() -> None:
    wrong, classes = np.array([True, False] * 20), np.repeat([0, 1], 20)
    assert np.isnan(macro_rate(wrong, classes, np.zeros(40, np.int64), n_classes=2).low)
    alike = np.repeat(np.arange(40) % 4 == 0, 3)
    own = macro_rate(alike, np.arange(120) % 2, np.arange(120), n_classes=2)
    shared = macro_rate(alike, np.arange(120) % 2, np.repeat(np.arange(40), 3), n_classes=2)
    assert shared.high - shared.low > own.high - own.low


def test_the_interval_is_that_of_a_bootstrap_of_people() -> None:
    rng = np.random.default_rng(3)
    units, classes = np.repeat(np.arange(150), 2), rng.integers(0, 3, 300)
    wrong = rng.random(300) < np.array([0.1, 0.3, 0.5])[classes] * np.repeat(rng.uniform(0.4, 1.6, 150), 2)
    found = macro_rate(wrong, classes, units, n_classes=3)
    drawn = []
    for _ in range(400):
        rows = np.concatenate([2 * chosen + np.array([0, 1]) for chosen in rng.integers(0, 150, 150)])
        drawn.append(np.mean([wrong[rows][classes[rows] == k].mean() for k in range(3)]))
    assert (found.high - found.low) / 3.92 == pytest.approx(np.std(drawn), rel=0.25)


def test_codes_outside_the_classes_are_refused() -> None:
    with pytest.raises(StatisticsError, match="codes from 0 to 1"):
        macro_rate(np.array([True]), np.array([2]), np.array([0]), n_classes=2)
    with pytest.raises(StatisticsError, match="one entry per trial"):
        macro_rate(np.array([True]), np.array([0, 1]), np.array([0]), n_classes=2)
