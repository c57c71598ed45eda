"""Means and medians by group: worked by hand, missing values, coverage, and the usual t interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics.central import central_values
from facegap.statistics.means import clustered_mean


def test_values_of_three_groups_by_hand() -> None:
    values = np.array([1.0, 2, 6, 9, 4, np.nan, 5])
    units = np.array([0, 0, 1, 2, 2, 3, 4])
    codes = np.array([0, 0, 0, 1, 1, 1, -1])
    found = central_values(values, units, codes, 3, rng=np.random.default_rng(0), draws=100)
    assert found.mean.tolist() == pytest.approx([3, 6.5, np.nan], nan_ok=True)
    assert found.median.tolist() == pytest.approx([2, 6.5, np.nan], nan_ok=True)
    assert found.trials.tolist() == [3, 2, 0]
    assert found.units.tolist() == [2, 1, 0]
    assert np.isnan(found.interval("mean", 1)).all()  # no interval with one unit
    assert np.isnan(found.interval("median", 2)).all()
    apart = found.difference("mean", 0, 1)
    assert apart.value == -3.5
    assert np.isnan(apart.interval(0.05)).all()
    assert np.isnan(apart.p)
    assert np.isnan(found.difference("mean", 0, 2).value)


def test_the_replicates_are_those_of_whole_units() -> None:
    """Units of (1, 1) and (5): of two draws the mean is 1, 7/3 or 5, the median 1, 1 or 5."""
    found = central_values(
        np.array([1.0, 1, 5]), np.array([7, 7, 9]), np.zeros(3, np.int64), 1, rng=np.random.default_rng(1)
    )
    assert set(np.round(found.means[:, 0], 6)) == {1.0, round(7 / 3, 6), 5.0}
    assert set(found.medians[:, 0]) == {1.0, 5.0}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 100))
def test_a_median_of_counted_values_is_that_of_the_values_written_out(counts: list[int], seed: int) -> None:
    from facegap.statistics.central import _weighted

    ordered = np.sort(np.random.default_rng(seed).normal(size=len(counts)))
    weights = np.array([counts])
    mean, median = _weighted(ordered, weights)
    written = np.repeat(ordered, counts)
    expected = (written.mean(), np.median(written)) if len(written) else (np.nan, np.nan)
    assert (mean[0], median[0]) == pytest.approx(expected, nan_ok=True)


def test_the_interval_of_a_mean_agrees_with_the_linearised_one_of_clusters() -> None:
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(120), rng.integers(1, 5, 120))
    values = rng.normal(size=120)[units] + rng.normal(size=len(units))
    found = central_values(values, units, np.zeros(len(units), np.int64), 1, rng=rng, draws=4000)
    textbook = clustered_mean(values, units)
    assert found.interval("mean", 0) == pytest.approx((textbook.low, textbook.high), abs=0.02)


def test_a_shared_unit_is_drawn_in_both_groups() -> None:
    """Every subject is in both groups with values that differ by one, so the difference is constant."""
    rng = np.random.default_rng(4)
    people = rng.normal(size=40)
    found = central_values(
        np.r_[people, people + 1], np.tile(np.arange(40), 2), np.repeat([0, 1], 40), 2, rng=rng, draws=200
    )
    for statistic in ("mean", "median"):
        assert found.difference(statistic, 1, 0).interval(0.05) == pytest.approx((1.0, 1.0))
        assert found.difference(statistic, 1, 0).p == pytest.approx(0)


def test_what_never_differs_has_a_p_of_one() -> None:
    same = central_values(np.ones(6), np.arange(6), np.repeat([0, 1], 3), 2, rng=np.random.default_rng(0), draws=20)
    assert same.difference("median", 0, 1).p == 1
    assert same.difference("median", 0, 1).interval(0.05) == (0, 0)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_intervals_of_differences_cover_what_they_say(statistic: str) -> None:
    """200 simulated datasets of 30 and 40 people with one to three exponential values each, without a gap."""
    rng, covered, worlds = np.random.default_rng(5), 0, 200
    for _ in range(worlds):
        units = np.repeat(np.arange(70), rng.integers(1, 4, 70))
        values = rng.exponential(size=70)[units] + 0.3 * rng.exponential(size=len(units))
        found = central_values(values, units, np.where(units < 30, 0, 1), 2, rng=rng, draws=200)
        low, high = found.difference(statistic, 0, 1).interval(0.05)
        covered += low <= 0 <= high
    assert covered / worlds >= 0.92


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(StatisticsError, match="give arrays of the same length"):
        central_values(np.ones(3), np.arange(2), np.zeros(3, np.int64), 1, rng=np.random.default_rng(0))
    with pytest.raises(StatisticsError, match="1 of 2 values are infinite"):
        central_values(np.array([1, np.inf]), np.arange(2), np.zeros(2, np.int64), 1, rng=np.random.default_rng(0))
