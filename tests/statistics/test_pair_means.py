"""Means over comparisons: their variance worked by hand, by brute force over pairs of comparisons, and by clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from facegap.statistics.means import clustered_mean
from facegap.statistics.pair_means import PairMean, mean_gap, pair_mean


def test_the_variance_of_three_comparisons_among_three_people_by_hand() -> None:
    found = pair_mean(np.array([0.0, 3.0, 6.0]), np.array([0, 0, 1]), np.array([1, 2, 2]))
    # Residuals -3, 0, 3 of the pairs 01, 02, 12: sums by person -3, 0, 3; 9 + 0 + 9 minus 9 + 0 + 9 is 0,
    # and the variance is at least that of independent pairs, 18 / 9 * 3 / 2.
    assert (found.value, found.pairs, found.people) == (3.0, 3, 3)
    assert found.variance == pytest.approx(3.0)


def test_a_person_who_is_hard_for_all_widens_the_interval() -> None:
    left, right = np.zeros(9, np.int64), np.arange(1, 10)
    values = np.concatenate([np.ones(9), np.zeros(36)])
    others = np.array([(i, j) for i in range(1, 10) for j in range(i + 1, 10)])
    one = pair_mean(values, np.concatenate([left, others[:, 0]]), np.concatenate([right, others[:, 1]]))
    assert one.variance > 4 * values.var() / 45


@given(st.integers(0, 10_000))
def test_the_variance_is_that_of_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people, count = 6, 25
    left, right = rng.integers(0, people, (2, count))
    values = rng.normal(size=count) + 2 * rng.normal(size=people)[left]
    residual = values - values.mean()
    sides = [{int(a), int(b)} for a, b in zip(left, right, strict=True)]
    shared = np.array([[bool(one & other) for other in sides] for one in sides])
    whole = float(residual @ shared @ residual)
    same = np.array([[one == other for other in sides] for one in sides])
    found = pair_mean(values, left, right)
    n = found.people
    assert found.variance == pytest.approx(max(whole, float(residual @ same @ residual)) / count**2 * n / (n - 1))


def test_within_people_it_is_the_mean_by_clusters() -> None:
    rng = np.random.default_rng(1)
    values, people = rng.normal(size=60), np.repeat(np.arange(20), 3)
    found, plain = pair_mean(values, people, people), clustered_mean(values, people)
    assert found.interval(0.05) == pytest.approx((plain.low, plain.high))


def test_the_gap_of_two_groups_is_that_of_welch_with_the_smaller_groups_freedom() -> None:
    a, b = (
        pair_mean(np.arange(10.0), np.arange(10), np.arange(10)),
        pair_mean(np.arange(30.0), np.arange(30), np.arange(30)),
    )
    gap = mean_gap(a, b)
    error = np.sqrt(np.arange(10.0).var(ddof=1) / 10 + np.arange(30.0).var(ddof=1) / 30)
    assert gap.value == -10
    assert gap.p == pytest.approx(2 * stats.t.sf(10 / error, 9))
    assert gap.interval(0.05)[1] == pytest.approx(-10 + stats.t.ppf(0.975, 9) * error)


def test_nothing_and_one_person_have_no_interval() -> None:
    empty = pair_mean(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    alone = pair_mean(np.array([1.0, 2.0]), np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert np.isnan([empty.value, *empty.interval(0.05), *alone.interval(0.05), mean_gap(empty, alone).p]).all()
    assert alone.value == 1.5
    still = PairMean(1.0, 0.0, 4, 4)
    assert (mean_gap(still, still).p, mean_gap(still, PairMean(0.0, 0.0, 4, 4)).p) == (1.0, 0.0)
