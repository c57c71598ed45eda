"""Simulated people have the stated properties, and their rates equal those of the public functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from facegap.statistics import clustered_rate, dyadic_fmr
from facegap.worlds.pairs import events_of, sparse_false_matches
from facegap.worlds.people import Setting, impostor_errors, person_chances, subject_errors
from facegap.worlds.rates import (
    MOST_PEOPLE_OF_A_MATRIX,
    cluster_rates,
    coverage,
    impostor_rates,
    rates_of,
    sparse_rates,
)


def test_rates_of_many_worlds_are_those_of_dyadic_fmr():
    rng = np.random.default_rng(0)
    setting = Setting("impostor", 12, 2, 0.1, "probit", 0.1)
    errors = impostor_errors(setting, 4, rng)
    many = impostor_rates(setting, errors)[0]
    left, right = np.triu_indices(12, 1)
    for world in range(4):
        one = dyadic_fmr(left, right, errors[world][left, right].astype(int), images=np.full(12, 2))
        assert (many.low[world], many.high[world]) == pytest.approx((one.low, one.high))


def test_rates_between_two_groups_are_those_of_dyadic_fmr():
    setting = Setting("across", 6, 1, 0.2, "probit", 0.1)
    errors = impostor_errors(setting, 3, np.random.default_rng(0))
    many = impostor_rates(setting, errors)[0]
    side = np.arange(12) < 6
    left, right = np.nonzero(side[:, None] & ~side[None, :])
    for world in range(3):
        wrong = errors[world][left, right].astype(int)
        one = dyadic_fmr(left, right, wrong, images=side.astype(int), other_images=(~side).astype(int))
        assert (many.low[world], many.high[world]) == pytest.approx((one.low, one.high))


def test_rates_of_answers_are_those_of_clustered_rate():
    errors, trials = subject_errors(Setting("classification", 15, 3, 0.2, "beta", 0.3), 3, np.random.default_rng(0))
    many = cluster_rates(errors, trials)[0]
    for world in range(3):
        one = clustered_rate(errors[world].astype(int), np.full(15, trials), np.arange(15))
        assert (many.low[world], many.high[world]) == pytest.approx((one.low, one.high))


def test_rates_of_sparse_worlds_are_those_of_dyadic_fmr_on_the_same_draws():
    setting = Setting("impostor", 300, 2, 1e-3, "probit", 0.1)
    many = sparse_rates(setting, 3, np.random.default_rng(7))[0]
    rng, images = np.random.default_rng(7), np.full(300, 2)
    for world in range(3):
        left, right = sparse_false_matches(images, 1e-3, 0.1, rng)
        one = dyadic_fmr(left, right, np.ones(len(left), int), images=images)
        assert many.errors[world] == one.errors
        assert (many.low[world], many.high[world]) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize("effect", ["probit", "beta"])
def test_marginal_rate_is_the_planted_one(effect):
    errors, trials = subject_errors(Setting("classification", 200, 5, 0.2, effect, 0.3), 400, np.random.default_rng(1))
    assert errors.mean() / trials == pytest.approx(0.2, abs=0.005)


def test_two_images_of_one_person_correlate_as_a_beta_effect_says():
    errors, trials = subject_errors(Setting("classification", 200, 5, 0.2, "beta", 0.3), 400, np.random.default_rng(1))
    both = (errors * (errors - 1)).mean() / (trials * (trials - 1))  # two images of one person both wrong
    assert (both - 0.04) / 0.16 == pytest.approx(0.3, abs=0.02)


def test_two_images_of_one_person_correlate_as_a_probit_effect_says():
    errors, trials = subject_errors(
        Setting("classification", 200, 5, 0.2, "probit", 0.3), 400, np.random.default_rng(2)
    )
    both = (errors * (errors - 1)).mean() / (trials * (trials - 1))
    expected = multivariate_normal(cov=[[1, 0.3], [0.3, 1]]).cdf([ndtri(0.2)] * 2)
    assert both == pytest.approx(expected, abs=0.004)


def test_pairs_that_share_a_person_correlate_as_rho_says():
    errors = impostor_errors(Setting("impostor", 30, 1, 0.1, "probit", 0.1), 1000, np.random.default_rng(3))
    own = errors.sum(-1)
    both = (own**2 - (errors**2).sum(-1)).mean() / (29 * 28)
    expected = multivariate_normal(cov=[[1, 0.1], [0.1, 1]]).cdf([ndtri(0.1)] * 2)
    assert errors.sum() / (1000 * 30 * 29) == pytest.approx(0.1, abs=0.002)
    assert both == pytest.approx(expected, abs=0.0008)


def test_people_do_not_differ_without_an_effect():
    assert np.ptp(person_chances(0.1, "beta", 0.0, (3, 4), np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    ("people", "images", "rate", "rho"), [(60, 2, 0.05, 0.1), (60, 1, 0.01, 0.25), (40, 3, 0.1, 0.0)]
)
def test_sparse_false_matches_have_the_mean_and_the_spread_of_all_pairs(people, images, rate, rho):
    rng = np.random.default_rng(11)
    whole = impostor_errors(Setting("impostor", people, images, rate, "probit", rho), 400, rng).sum((1, 2)) / 2
    few = np.array([len(sparse_false_matches(np.full(people, images), rate, rho, rng)[0]) for _ in range(400)])
    expected = rate * images**2 * people * (people - 1) / 2
    assert few.mean() == pytest.approx(expected, abs=4 * whole.std() / 400**0.5)
    assert few.std() == pytest.approx(whole.std(), rel=0.2)


def test_sparse_false_matches_share_people_as_rho_says():
    rng, images, both, single = np.random.default_rng(5), np.full(300, 1), 0.0, 0.0
    for _ in range(60):
        left, right = sparse_false_matches(images, 0.02, 0.2, rng)
        own = np.bincount(np.concatenate([left, right]), minlength=300)
        both += (own * (own - 1)).sum() / (300 * 299 * 298)
        single += len(left) / (300 * 299 / 2)
    expected = multivariate_normal(cov=[[1, 0.2], [0.2, 1]]).cdf([ndtri(0.02)] * 2)
    assert single / 60 == pytest.approx(0.02, rel=0.05)
    assert both / 60 == pytest.approx(expected, rel=0.12)


def test_sparse_false_matches_join_two_people_and_no_pair_of_images_twice():
    images = np.array([3, 1, 2, 5])
    for seed in range(30):
        left, right = sparse_false_matches(images, 0.6, 0.2, np.random.default_rng(seed))
        assert (left < right).all()
        pairs, count = np.unique(left * 4 + right, return_counts=True)
        assert (count <= images[pairs // 4] * images[pairs % 4]).all()


def test_a_poisson_number_is_positive_with_the_requested_probability():
    chance = np.array([0.0, 1e-9, 0.3, 0.999])
    assert 1 - np.exp(-events_of(chance)) == pytest.approx(chance)


def test_coverage_counts_the_simulations_whose_interval_contains_the_truth():
    setting = Setting("classification", 40, 1, 0.2, "probit", 0.0)
    rates = rates_of(setting, 500, np.random.default_rng([3, 2, 0, 40, 1, 200_000, 0]))[0]
    by_hand = np.mean([(low <= 0.2 <= high) for low, high in zip(rates.low, rates.high, strict=True)])
    assert coverage(setting, 500, 3).facegap == by_hand


def test_many_people_are_simulated_without_a_matrix():
    setting = Setting("impostor", MOST_PEOPLE_OF_A_MATRIX + 1, 1, 1e-3, "probit", 0.1)
    rates = rates_of(setting, 40, np.random.default_rng(0))[0]
    assert rates.trials[0] == 251 * 250 // 2
    assert rates.value.mean() == pytest.approx(1e-3, rel=0.25)
