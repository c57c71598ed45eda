"""Intervals of one proportion and of a difference: worked by hand, as properties, and against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from facegap.errors import StatisticsError
from facegap.statistics import clopper_pearson, gap_difference, newcombe_difference, wilson
from facegap.statistics.intervals import difference_at, difference_p, rare_error_limits, two_sided_z, wilson_at

counts = st.integers(1, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def test_wilson_of_one_in_ten_worked_by_hand():
    # z = 1.959964; (0.1 + z^2/20 -+ z sqrt(0.09/10 + z^2/400)) / (1 + z^2/10)
    assert wilson(1, 10) == pytest.approx((0.01787621, 0.40415003), abs=1e-8)


def test_exact_limit_without_errors_is_one_minus_the_root_of_the_tail():
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert clopper_pearson(20, 20) == pytest.approx((0.025 ** (1 / 20), 1.0))


@pytest.mark.parametrize(
    ("counts", "expected"), [((56, 70, 48, 80), (0.0524, 0.3339)), ((5, 56, 0, 29), (-0.0381, 0.1926))]
)
def test_newcombe_gives_the_published_examples(counts, expected):
    assert newcombe_difference(*counts) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_interval_without_trials_is_nan_not_zero(interval):
    assert np.isnan(interval(0, 0)).all()
    low, high = interval([1, 0], [10, 0])
    assert np.isnan([low[1], high[1]]).all()
    assert 0 < low[0] < high[0] < 1


def test_difference_with_an_empty_group_is_nan():
    assert np.isnan(newcombe_difference(1, 10, 0, 0)).all()


@pytest.mark.parametrize(("errors", "trials"), [(-1, 10), (11, 10), (1, 0), (0, -3)])
def test_impossible_counts_are_refused_with_their_position(errors, trials):
    with pytest.raises(StatisticsError, match=r"position \(1,\)"):
        wilson([0, errors], [5, trials])


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(StatisticsError, match="level"):
        wilson(1, 10, level=level)


def test_scalars_give_floats_and_arrays_give_arrays_of_their_shape():
    assert isinstance(wilson(1, 10)[0], float)
    low, high = clopper_pearson(np.zeros((3, 1)), np.arange(1, 5))
    assert low.shape == high.shape == (3, 4)


@given(counts)
def test_intervals_hold_the_estimate(pair):
    for interval in (wilson, clopper_pearson):
        low, high = interval(*pair)
        assert 0 <= low <= pair[0] / pair[1] <= high <= 1


@given(counts, st.integers(2, 50))
def test_intervals_shrink_with_trials_at_the_same_rate(pair, factor):
    for interval in (wilson, clopper_pearson):
        low, high = interval(*pair)
        more_low, more_high = interval(pair[0] * factor, pair[1] * factor)
        assert more_high - more_low < high - low


@given(st.floats(2, 1e4), st.floats(0, 1), st.floats(0, 1))
def test_limits_rise_with_errors_at_fixed_effective_trials(trials, first, second):
    less, more = sorted((first, second))
    for interval in (wilson, clopper_pearson):
        low, high = interval([less * trials, more * trials], trials)
        assert low[0] <= low[1] + 1e-12
        assert high[0] <= high[1] + 1e-12


@given(counts)
def test_limits_mirror_when_errors_and_successes_change_places(pair):
    errors, trials = pair
    for interval in (wilson, clopper_pearson):
        low, high = interval(errors, trials)
        assert interval(trials - errors, trials) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(counts, counts)
def test_difference_turns_its_sign_when_the_groups_change_places(a, b):
    low, high = newcombe_difference(*a, *b)
    assert newcombe_difference(*b, *a) == pytest.approx((-high, -low), abs=1e-12)
    assert -1 <= low <= a[0] / a[1] - b[0] / b[1] <= high <= 1


@given(counts, st.sampled_from([0.8, 0.95, 0.999]))
def test_wilson_and_exact_agree_with_statsmodels(pair, level):
    for interval, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
        expected = proportion_confint(*pair, alpha=1 - level, method=method)
        assert interval(*pair, level=level) == pytest.approx(expected, abs=1e-9)


@given(counts, counts)
def test_difference_agrees_with_statsmodels(a, b):
    expected = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff")
    assert newcombe_difference(*a, *b) == pytest.approx(expected, abs=1e-9)


def likelihood_ratio(errors, trials, limit):
    seen = stats.binom.logpmf(errors, trials, errors / trials)
    return 2 * (seen - stats.binom.logpmf(errors, trials, limit))


@given(counts, st.floats(0.5, 4))
def test_the_limits_of_a_gap_are_the_wider_of_the_score_and_the_likelihood_limits_one_trial_wider(pair, z):
    errors, trials = pair
    low, high = (float(side) for side in rare_error_limits(np.float64(errors / trials), np.float64(trials), z))
    wider = z * np.sqrt(1 + 1 / trials)
    score = [float(side) for side in wilson_at(np.float64(errors / trials), np.float64(trials), wider)]
    assert low <= score[0] + 1e-12
    assert high >= score[1] - 1e-12
    for limit, of_score, inside in ((low, score[0], errors > 0), (high, score[1], errors < trials)):
        if inside and limit != pytest.approx(of_score, rel=1e-9, abs=1e-12):
            assert likelihood_ratio(errors, trials, limit) == pytest.approx(wider**2, rel=1e-6, abs=1e-6)


def test_the_lower_limit_of_one_error_is_that_of_the_likelihood():
    # 20 trials, z = 1.96 sqrt(1.05): 2 (ln(0.05 / q) + 19 ln(0.95 / (1 - q))) = 4.0336 at q = 0.00264
    low = float(rare_error_limits(np.float64(0.05), np.float64(20), two_sided_z(0.95))[0])
    assert low == pytest.approx(0.00264, abs=1e-5)
    assert wilson(1, 20)[0] == pytest.approx(0.00888, abs=1e-5)


def test_limits_of_a_gap_narrow_to_the_rate_as_z_goes_to_zero():
    rate, trials = np.array([0.0, 1e-6, 0.3, 1.0]), np.array([50.0, 1e6, 20.0, 50.0])
    for z, most in ((0.0, 1e-15), (1e-4, 1e-4)):
        low, high = rare_error_limits(rate, trials, z)
        assert (rate - low).max() <= most
        assert (high - rate).max() <= most


@given(counts, counts, st.sampled_from([0.8, 0.95, 0.999]))
def test_the_interval_of_a_gap_holds_that_of_newcombe(a, b, level):
    low, high = gap_difference(*a, *b, level=level)
    plain = newcombe_difference(*a, *b, level=level)
    assert low <= plain[0] + 1e-12
    assert high >= plain[1] - 1e-12


@settings(max_examples=40)
@given(counts, counts, st.sampled_from([0.0, 0.5, 0.9, -0.5]))
def test_p_of_a_difference_inverts_its_interval(a, b, correlation):
    sides = [np.array([a[0] / a[1]]), np.array([float(a[1])]), np.array([b[0] / b[1]]), np.array([float(b[1])])]
    p = float(difference_p(*sides, correlation)[0])
    for level in (0.5, 0.9, 0.95, 0.99, 0.9999):
        low, high = difference_at(*sides, two_sided_z(level), correlation)
        excludes_zero = low[0] > 0 or high[0] < 0
        if abs(p - (1 - level)) > 1e-9:
            assert excludes_zero == (p < 1 - level)


def test_p_of_equal_rates_is_one_and_of_an_empty_group_nan():
    rate, trials = np.array([0.1, 0.1, np.nan]), np.array([10.0, 10.0, 0.0])
    p = difference_p(rate, trials, np.array([0.1, 0.5, 0.5]), np.array([20.0, 1e6, 10.0]))
    assert p[0] == 1
    assert 0 < p[1] < 0.05
    assert np.isnan(p[2])


def test_positive_correlation_narrows_a_difference():
    sides = [np.array([0.2]), np.array([50.0]), np.array([0.1]), np.array([50.0])]
    plain = difference_at(*sides, 1.96)
    paired = difference_at(*sides, 1.96, 0.5)
    assert plain[0][0] < paired[0][0] < paired[1][0] < plain[1][0]


def test_long_arrays_are_the_same_as_short_ones():
    trials = np.random.default_rng(0).integers(0, 900, 30_001)
    errors = trials // 7
    low, high = clopper_pearson(errors, trials)
    for part in (slice(0, 500), slice(29_501, 30_001)):
        short = clopper_pearson(errors[part], trials[part])
        assert np.array_equal(low[part], short[0], equal_nan=True)
        assert np.array_equal(high[part], short[1], equal_nan=True)
