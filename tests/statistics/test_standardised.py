"""Standardised means: worked by hand, against Welch and the clustered mean, and no effect of composition alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.means import clustered_mean
from facegap.statistics.standardised import mean_gaps, standardised_means
from facegap.statistics.verdicts import BEYOND, UNKNOWN, WITHIN

ONE_GROUP, TWO = np.zeros(5, np.int64), np.array([0.5, 0.5])


def test_two_bands_weigh_alike_whatever_their_sizes() -> None:
    found = standardised_means(
        np.array([1.0, 3.0, 5.0, 5.0, 8.0]), np.arange(5), ONE_GROUP, np.array([0, 0, 1, 1, 1]), n_groups=1, shares=TWO
    )
    assert found.value[0] == pytest.approx((2 + 6) / 2)
    # band 0: variance 2 / 2 = 1; band 1: variance 3 / 3 = 1; (1 + 1) / 4 = 0.5; degrees (0.5)^2 / (0.25^2 / 1 + 0.25^2 / 2)
    half = float(stats.t.ppf(0.975, 0.25 / (0.0625 + 0.03125))) * 0.5**0.5
    assert (found.low[0], found.high[0]) == pytest.approx((4 - half, 4 + half))
    assert (found.values[0], found.units[0]) == (5, 5)


def test_a_group_without_two_people_in_a_band_has_no_mean() -> None:
    cells = np.array([0, 0, 0, 0, 1])
    found = standardised_means(np.arange(5.0), np.arange(5), ONE_GROUP, cells, n_groups=1, shares=TWO)
    assert np.isnan(found.value[0]) and np.isnan(found.low[0])
    one = standardised_means(
        np.arange(5.0), np.zeros(5, np.int64), ONE_GROUP, np.zeros(5, np.int64), n_groups=1, shares=np.ones(1)
    )
    assert np.isnan(one.value[0])


def test_with_one_band_it_is_the_mean_by_subjects() -> None:
    rng = np.random.default_rng(3)
    values, people = rng.normal(size=60), rng.integers(0, 15, 60)
    found = standardised_means(
        values, people, np.zeros(60, np.int64), np.zeros(60, np.int64), n_groups=1, shares=np.ones(1), level=0.9
    )
    plain = clustered_mean(values, people, level=0.9)
    assert (found.value[0], found.low[0], found.high[0]) == pytest.approx((plain.value, plain.low, plain.high))


def test_the_p_of_two_groups_of_people_with_one_image_is_that_of_welch() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(0, 1, 30), rng.normal(0.6, 3, 18)
    means = standardised_means(
        np.concatenate([a, b]),
        np.arange(48),
        np.repeat([0, 1], [30, 18]),
        np.zeros(48, np.int64),
        n_groups=2,
        shares=np.ones(1),
    )
    (gap,) = mean_gaps(means, np.array([True, True]), margin=1.0)
    assert gap.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert (gap.low + gap.high) / 2 == pytest.approx(gap.difference) == pytest.approx(a.mean() - b.mean())


def test_groups_of_other_ages_and_the_same_errors_at_each_age_have_no_gap() -> None:
    """One group is young and one old; the model adds 5 years to the young and subtracts 5 from the old, in both groups."""
    rng = np.random.default_rng(5)
    cells = np.concatenate([rng.permutation([0] * 160 + [1] * 40), rng.permutation([0] * 40 + [1] * 160)])
    groups = np.repeat([0, 1], 200)
    errors = np.where(cells == 0, 5.0, -5.0) + rng.normal(0, 1, 400)
    plain = errors[groups == 0].mean() - errors[groups == 1].mean()
    means = standardised_means(errors, np.arange(400), groups, cells, n_groups=2, shares=TWO)
    (gap,) = mean_gaps(means, np.array([True, True]), margin=1.0)
    assert plain > 5 and abs(gap.difference) < 0.5 and gap.verdict == WITHIN


def test_verdicts_and_small_groups() -> None:
    rng = np.random.default_rng(6)
    errors = np.concatenate([rng.normal(0, 1, 100), rng.normal(3, 1, 100), rng.normal(0, 9, 4), rng.normal(0, 1, 100)])
    groups = np.repeat([0, 1, 2, 3], [100, 100, 4, 100])
    means = standardised_means(errors, np.arange(304), groups, np.zeros(304, np.int64), n_groups=4, shares=np.ones(1))
    said = {
        (gap.first, gap.second): gap.verdict
        for gap in mean_gaps(means, np.array([True, True, False, True]), margin=1.0)
    }
    assert said == {(0, 1): BEYOND, (0, 3): WITHIN, (1, 3): BEYOND}
    small = {(gap.first, gap.second): gap.verdict for gap in mean_gaps(means, np.ones(4, np.bool_), margin=1.0)}
    assert small[(0, 2)] == UNKNOWN
    assert list(mean_gaps(means, np.array([True, False, False, False]), margin=1.0)) == []


def test_people_of_two_groups_are_compared_with_themselves() -> None:
    rng = np.random.default_rng(7)
    own, noise = rng.normal(0, 5, 80), rng.normal(0, 0.1, 160)
    errors = np.concatenate([own, own + 1]) + noise
    means = standardised_means(
        errors, np.tile(np.arange(80), 2), np.repeat([0, 1], 80), np.zeros(160, np.int64), n_groups=2, shares=np.ones(1)
    )
    (gap,) = mean_gaps(means, np.array([True, True]), margin=1.5)
    assert gap.high - gap.low < 0.1 < means.high[0] - means.low[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-50, 50), st.floats(0.1, 10))
def test_a_change_of_scale_changes_the_mean_and_its_interval_alike(seed: int, added: float, times: float) -> None:
    rng = np.random.default_rng(seed)
    values, units, cells = rng.normal(size=40), rng.integers(0, 12, 40), rng.integers(0, 2, 40)
    arrays = (units, np.zeros(40, np.int64), cells)
    before = standardised_means(values, *arrays, n_groups=1, shares=np.array([0.3, 0.7]))
    after = standardised_means(times * values + added, *arrays, n_groups=1, shares=np.array([0.3, 0.7]))
    for end in ("value", "low", "high"):
        assert getattr(after, end) == pytest.approx(times * getattr(before, end) + added, abs=1e-8, nan_ok=True)


def test_shares_that_are_none_are_refused() -> None:
    for shares in (np.array([0.5, 0.4]), np.array([1.5, -0.5]), np.empty(0)):
        with pytest.raises(StatisticsError, match="sum to 1"):
            standardised_means(np.zeros(5), np.arange(5), ONE_GROUP, ONE_GROUP, n_groups=1, shares=shares)


def test_ninety_five_in_a_hundred_intervals_hold_a_gap_of_clustered_errors_at_equal_ages() -> None:
    rng = np.random.default_rng(8)
    held, worlds = 0, 400
    for _ in range(worlds):
        people = np.repeat(np.arange(60), 3)
        groups, cells = people % 2, (people // 2) % 2
        errors = rng.normal(0, 1, 60)[people] + rng.normal(0, 1, 180) + groups * 0.7
        means = standardised_means(errors, people, groups, cells, n_groups=2, shares=TWO)
        (gap,) = mean_gaps(means, np.array([True, True]), margin=1.0)
        held += gap.low <= -0.7 <= gap.high
    assert 0.925 <= held / worlds <= 0.98
