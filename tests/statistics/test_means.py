"""Means with subjects as clusters, worked by hand and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from facegap.statistics.means import clustered_mean


def test_two_subjects_with_two_images_each_by_hand() -> None:
    # Mean 2.5; residual sums -2 and 2; variance 2/1 * 8 / 16 = 1; t(1) at .975 = 12.706.
    found = clustered_mean(np.array([1.0, 2.0, 3.0, 4.0]), np.array([7, 7, 9, 9]))
    assert found.value == 2.5
    assert found.low == pytest.approx(2.5 - 12.7062, abs=1e-4)
    assert found.high == pytest.approx(2.5 + 12.7062, abs=1e-4)
    assert (found.trials, found.subjects) == (4, 2)


def test_no_values_are_nan_and_one_subject_has_no_interval() -> None:
    empty = clustered_mean(np.empty(0), np.empty(0, np.int64))
    assert np.isnan(empty.value)
    assert empty.trials == 0
    alone = clustered_mean(np.array([1.0, 3.0]), np.array([0, 0]))
    assert alone.value == 2
    assert np.isnan([alone.low, alone.high]).all()


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=40))
def test_one_image_per_subject_gives_the_t_interval_of_scipy(values: list[float]) -> None:
    array = np.array(values)
    error = stats.sem(array)
    if error < 1e-9:
        return
    low, high = stats.t.interval(0.95, len(array) - 1, loc=array.mean(), scale=error)
    found = clustered_mean(array, np.arange(len(array)))
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
