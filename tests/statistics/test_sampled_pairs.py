"""Rates over all pairs from a sample of them."""

import numpy as np
import pytest
from scipy.stats import binom

from facegap.errors import StatisticsError
from facegap.statistics.dyadic import dyadic_fmr, dyadic_fnmr
from facegap.statistics.effective import WILSON_EFFECTIVE
from facegap.statistics.intervals import clopper_pearson, wilson
from facegap.statistics.sampled_pairs import (
    RARE_EFFECTIVE,
    disjoint_among,
    sampled_fmr,
    sampled_fnmr,
    sampling_interval,
    sampling_variance,
    zero_error_trials,
)
from facegap.worlds.sampled import SampledWorld, simulate_sampled
from fixtures.campaigns import campaign, short_and_full


def scored(people: int, seed: int = 0, strength: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(people, 1)
    effect = rng.normal(size=people)
    return left, right, strength * (effect[left] + effect[right]) + rng.normal(size=len(left)) > 2


def test_by_hand_the_rate_is_the_weighted_mean_of_errors():
    left, right = np.array([0, 2, 4, 6]), np.array([1, 3, 5, 7])
    rate = sampled_fmr(left, right, np.array([True, False, False, False]), np.array([1.0, 1.0, 1.0, 7.0]))
    assert (rate.errors, rate.trials, rate.value, rate.subjects) == (1, 4, 0.1, 8)
    assert rate.low < 0.1 < rate.high


@pytest.mark.parametrize("weight", [1.0, 7.0])
def test_equal_weights_give_the_dyadic_interval_to_the_last_digit(weight: float):
    left, right, wrong = scored(30)
    ours = sampled_fmr(left, right, wrong, np.full(len(left), weight))
    theirs = dyadic_fmr(left, right, wrong.astype(int), trials=np.ones(len(left), int))
    assert (ours.low, ours.high, ours.effective_trials) == (theirs.low, theirs.high, theirs.effective_trials)
    none = sampled_fmr(left, right, wrong & False, np.full(len(left), weight))
    assert none.high == dyadic_fmr(left, right, wrong.astype(int) * 0, trials=np.ones(len(left), int)).high


def test_between_two_groups_equal_weights_give_the_dyadic_interval():
    left, right = (side.ravel() for side in np.indices((12, 15)))
    wrong = np.random.default_rng(1).random(len(left)) < 0.1
    ours = sampled_fmr(left, right + 12, wrong, np.full(len(left), 3.0), across=True)
    theirs = dyadic_fmr(left, right + 12, wrong.astype(int), trials=np.ones(len(left), int), across=True)
    assert (ours.low, ours.high) == (theirs.low, theirs.high)


def test_units_of_several_people_give_the_dyadic_interval_of_units():
    left, right, wrong = scored(30)
    units = np.arange(30) // 2
    ours = sampled_fmr(left, right, wrong, np.ones(len(left)), units=units)
    theirs = dyadic_fmr(left, right, wrong.astype(int), trials=np.ones(len(left), int), units=units)
    assert ours.units == theirs.units
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_genuine_pairs_of_equal_weight_are_about_the_clustered_rate():
    subjects = np.repeat(np.arange(40), 3)
    wrong = np.random.default_rng(2).random(120) < 0.1
    ours = sampled_fnmr(subjects, wrong, np.full(120, 2.0))
    theirs = dyadic_fnmr(subjects, wrong.astype(int), trials=np.ones(120, int))
    assert ours.value == pytest.approx(theirs.value)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-6)


def test_the_scale_of_weights_plays_no_part():
    left, right, wrong = scored(25)
    weights = np.random.default_rng(3).uniform(1, 5, len(left))
    first, second = (sampled_fmr(left, right, wrong, weights * scale) for scale in (1.0, 1e6))
    assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high))


def test_unequal_weights_widen_the_interval():
    left, right, wrong = scored(40)
    even = sampled_fmr(left, right, wrong, np.ones(len(left)))
    uneven = sampled_fmr(left, right, wrong, np.where(np.arange(len(left)) % 10 == 0, 20.0, 1.0))
    assert uneven.effective_trials < even.effective_trials


def test_nothing_to_count_is_nan_and_weights_are_checked():
    nothing = np.empty(0, np.int64)
    assert np.isnan(sampled_fmr(nothing, nothing, np.empty(0, bool), np.empty(0)).value)
    assert np.isnan(sampled_fnmr(nothing, np.empty(0, bool), np.empty(0)).value)
    for weight in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(StatisticsError, match="a weight must be positive and finite"):
            sampled_fmr(np.array([0]), np.array([1]), np.array([True]), np.array([weight]))
    with pytest.raises(StatisticsError, match="has the same person on both sides and so is not an impostor pair"):
        sampled_fmr(np.array([0]), np.array([0]), np.array([True]), np.ones(1))


def test_without_an_error_the_limit_counts_disjoint_pairs_and_allows_for_the_heaviest_stratum():
    left, right = np.triu_indices(10, 1)
    assert zero_error_trials(left, right, np.ones(45)) == 5
    # Two strata: one of ten pairs that represent half of all pairs, one of a thousand that represent the other half.
    left, right = np.arange(0, 2020, 2), np.arange(1, 2020, 2)
    weights = np.where(np.arange(1010) < 10, 50.0, 0.5)
    trials = zero_error_trials(left, right, weights)
    assert trials == 20
    # The worst case compatible with no error: all pairs of the heavy stratum are errors.
    worst = 0.5 * (1 - 0.025 ** (1 / 10))
    assert sampled_fmr(left, right, np.zeros(1010, bool), weights).high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert worst < 1 - 0.025 ** (1 / 20)


def test_with_few_errors_the_interval_holds_where_wilsons_does_not():
    """Exact coverage over all outcomes of 400 pairs without common people, each of which represents ten."""
    pairs, most = 400, 30
    left, right = np.arange(pairs), np.arange(pairs) + pairs
    ours, wilsons = [], []
    for errors in range(most):
        rate = sampled_fmr(left, right, np.arange(pairs) < errors, np.full(pairs, 10.0))
        ours.append((rate.low, rate.high))
        wilsons.append((rate.low, rate.high) if not errors else wilson(errors, pairs))
        assert (rate.method == RARE_EFFECTIVE) == (1 <= errors <= 3)
    truth = np.linspace(0.02, 8, 800) / pairs
    chance = binom.pmf(np.arange(most)[:, None], pairs, truth)
    held, before = (
        (chance * [(low <= truth) & (truth <= high) for low, high in limits]).sum(axis=0) for limits in (ours, wilsons)
    )
    assert held.min() >= 0.92
    assert before.min() < 0.85


def test_where_every_pair_was_compared_few_errors_have_the_interval_of_all_pairs():
    left, right = np.arange(400), np.arange(400) + 400
    whole, part = (sampled_fmr(left, right, left == 7, np.full(400, weight)) for weight in (1.0, 2.0))
    assert whole.method == WILSON_EFFECTIVE
    assert part.low < whole.low < whole.high < part.high


def test_pairs_that_share_nobody_are_found_greedily():
    assert disjoint_among(np.arange(0, 10, 2), np.arange(1, 10, 2)) == 5
    assert disjoint_among(np.zeros(5, np.int64), np.arange(1, 6)) == 1
    rng = np.random.default_rng(0)
    left = rng.integers(0, 50, 200)
    right = (left + 1 + rng.integers(0, 48, 200)) % 50
    assert 20 <= disjoint_among(left, right) <= 25


def test_the_variance_of_sampling_is_that_of_repeated_samples():
    rng = np.random.default_rng(4)
    errors = [rng.random(400) < 0.2, rng.random(100) < 0.5]
    found, stated = [], []
    for _ in range(3000):
        one, other = rng.choice(errors[0], 40, replace=False), rng.choice(errors[1], 20, replace=False)
        found.append((400 * one.mean() + 100 * other.mean()) / 500)
        stated.append(
            sampling_variance(np.concatenate([one, other]), np.repeat([0, 1], [40, 20]), np.array([400, 100]))
        )
    assert np.mean(stated) == pytest.approx(np.var(found), rel=0.1)


def test_a_sample_that_is_everything_has_no_sampling_variance():
    wrong = np.array([True, False, False, False])
    assert sampling_variance(wrong, np.zeros(4, np.int64), np.array([4])) == 0
    assert sampling_interval(wrong, np.zeros(4, np.int64), np.array([4])) == (0.25, 0.25)


@short_and_full("samples", 1_500, 20_000)
def test_sampling_of_many_strata_with_few_errors_each_misses_on_neither_side(samples: int):
    """Pairs of 100 groups with about one sampled false match each: combined lower arms were too short."""
    rng = np.random.default_rng(11)
    strata, each, pairs = 100, 200, np.full(100, 20_000)
    rates = rng.permutation(np.geomspace(1e-4, 3e-2, strata))
    all_errors = rng.binomial(pairs, rates)
    truth, of = all_errors.sum() / pairs.sum(), np.repeat(np.arange(strata), each)
    missed = np.zeros(2)
    for _ in range(samples):
        errors = rng.hypergeometric(all_errors, pairs - all_errors, each)
        wrong = np.arange(strata * each) % each < np.repeat(errors, each)
        low, high = sampling_interval(wrong, of, pairs)
        missed += [truth < low, truth > high]
    assert (missed / samples <= 0.025 + 2 * (0.025 * 0.975 / samples) ** 0.5).all()


def test_the_lower_limit_of_one_stratum_is_clopper_pearsons():
    wrong, of = np.arange(400) < 3, np.zeros(400, np.int64)
    low, high = sampling_interval(wrong, of, np.array([10**12]))
    assert (low, high) == pytest.approx(clopper_pearson(3, 400), rel=1e-6)


SETTINGS = (
    SampledWorld((30, 30), 2, (0.05, 0.02), 0.1, 900),
    SampledWorld((40, 40), 3, (0.05, 0.02), 0.1, 3000),
    SampledWorld((60, 20), 3, (0.02, 0.02), 0.1, 1500),
    SampledWorld((40, 40), 3, (0.05, 0.02), 0.0, 3000),
)


@pytest.mark.parametrize("world", SETTINGS[:1])
def test_intervals_hold_the_rates_of_other_people_and_of_all_pairs_of_these(world: SampledWorld):
    found = simulate_sampled(world, 24, np.random.default_rng(5))
    assert (found.superpopulation >= 0.79).all()  # 95% minus four binomial standard errors
    assert (found.these_people >= 0.79).all()


@campaign
@pytest.mark.parametrize("world", SETTINGS)
def test_campaign_intervals_hold_both_rates(world: SampledWorld):
    found = simulate_sampled(world, 600, np.random.default_rng(6))
    assert (found.superpopulation >= 0.915).all()
    assert (found.these_people >= 0.915).all()
    assert (found.high_without_errors[found.without_errors > 0] >= 0.975).all()
