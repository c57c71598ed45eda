"""Ratio of two proportions: Katz worked by hand, Koopman against statsmodels, p against both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from facegap.statistics import gap_ratio, ratio_interval
from facegap.statistics.intervals import difference_at, rare_error_limits
from facegap.statistics.ratios import ratio_at, ratio_p

some_errors = st.integers(3, 3000).flatmap(lambda trials: st.tuples(st.integers(1, trials - 1), st.just(trials)))


def test_katz_worked_by_hand():
    # log(0.1 / 0.05) -+ 1.959964 sqrt(1/10 - 1/100 + 1/5 - 1/100)
    error = math.sqrt(0.09 + 0.19)
    expected = [math.exp(math.log(2) + side * 1.959963985 * error) for side in (-1, 1)]
    assert ratio_interval(10, 100, 5, 100) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(5, 56, 0, 29), (0, 29, 5, 56), (10, 10, 3, 12), (1, 1000, 0, 5000)])
def test_with_no_error_on_one_side_the_score_interval_agrees_with_statsmodels(counts):
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = confint_proportions_2indep(*counts, compare="ratio", method="score", correction=False)
    assert ratio_interval(*counts) == pytest.approx(tuple(np.real(expected)), rel=1e-6, abs=1e-9)


def test_no_errors_at_all_leave_every_ratio_open():
    assert ratio_interval(0, 30, 0, 40) == (0.0, math.inf)


def test_an_empty_group_makes_the_ratio_nan():
    low, high = ratio_interval([1, 1], [10, 10], [0, 2], [0, 20])
    assert np.isnan([low[0], high[0]]).all()
    assert 0 < low[1] < high[1] < math.inf


@settings(max_examples=40)
@given(some_errors, some_errors)
def test_ratio_inverts_when_the_groups_change_places(a, b):
    low, high = ratio_interval(*a, *b)
    assert ratio_interval(*b, *a) == pytest.approx((1 / high, 1 / low))
    assert low <= (a[0] / a[1]) / (b[0] / b[1]) <= high


@settings(max_examples=25)
@given(st.integers(1, 50), st.integers(51, 500), st.integers(1, 500))
def test_koopman_inverts_too_and_is_open_on_the_side_without_errors(errors, trials, other):
    low, high = ratio_interval(errors, trials, 0, other)
    assert high == math.inf
    assert ratio_interval(0, other, errors, trials) == pytest.approx((0.0, 1 / low))


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 60))
def test_p_inverts_the_ratio_interval(errors_a, errors_b):
    sides = [np.array([errors_a / 60]), np.array([60.0]), np.array([errors_b / 60]), np.array([60.0])]
    p = float(ratio_p(*sides)[0])
    for z, alpha in ((1.2815515655, 0.2), (1.9599639845, 0.05), (2.5758293035, 0.01)):
        low, high = ratio_at(*sides, z)
        if abs(p - alpha) > 1e-7:
            assert bool(low[0] > 1 or high[0] < 1) == (p < alpha)


counted = st.integers(20, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def sides_of(a, b):
    return [np.array([number], float) for number in (a[0] / a[1], a[1], b[0] / b[1], b[1])]


@settings(max_examples=60)
@given(counted, counted, st.floats(-0.6, 0.9), st.sampled_from([0.8, 1.96, 3.5]))
def test_the_ratio_excludes_one_exactly_where_the_difference_excludes_zero(a, b, correlation, z):
    sides = sides_of(a, b)
    low, high = ratio_at(*sides, z, correlation)
    ends = difference_at(*sides, z, correlation)
    assert (low[0] > 1, high[0] < 1) == (ends[0][0] > 0, ends[1][0] < 0)


@settings(max_examples=60)
@given(counted, counted)
def test_a_limit_of_the_ratio_is_where_the_difference_with_the_scaled_rate_ends_on_zero(a, b):
    # a - R b has the limits of a combined with R times those of b.
    rate_a, n_a, rate_b, n_b = sides_of(a, b)
    (low_a, high_a), (low_b, high_b) = (rare_error_limits(rate, n, 1.96) for rate, n in ((rate_a, n_a), (rate_b, n_b)))
    low, high = ratio_at(rate_a, n_a, rate_b, n_b, 1.96)
    if a[0]:
        assert rate_a - low * rate_b == pytest.approx(np.hypot(rate_a - low_a, low * (high_b - rate_b)), abs=1e-9)
    if b[0]:
        assert high * rate_b - rate_a == pytest.approx(np.hypot(high_a - rate_a, high * (rate_b - low_b)), rel=1e-7)


@settings(max_examples=40)
@given(counted, counted)
def test_the_ratio_of_a_gap_inverts_when_the_groups_change_places(a, b):
    low, high = gap_ratio(*a, *b)
    turned = gap_ratio(*b, *a)
    assert turned[0] == pytest.approx(1 / high if high else math.inf)
    assert turned[1] == pytest.approx(1 / low if low else math.inf)
    assert low <= (a[0] / a[1]) / (b[0] / b[1]) <= high if b[0] else high == math.inf


def test_p_is_one_for_equal_rates_even_without_errors():
    zero, trials = np.array([0.0, 0.25]), np.array([20.0, 20.0])
    assert ratio_p(zero, trials, zero, 2 * trials) == pytest.approx([1.0, 1.0])


def test_fractional_effective_trials_are_taken_as_they_are():
    assert ratio_interval(1.5, 15.5, 3.0, 20.25)[0] < (1.5 / 15.5) / (3.0 / 20.25)
