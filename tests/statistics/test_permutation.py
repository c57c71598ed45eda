"""Permutation null distributions: exact small case, uniform p under the null, both directions, undefined values."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.errors import StatisticsError
from facegap.statistics import counts_per_pair, counts_per_subject, dyadic_fmr, permutation_null


def test_two_against_two_people_by_hand():
    # Errors only in group 0. Of the 6 permutations of 2 + 2 labels, 2 keep both wrong people together: p near 1/3.
    null = permutation_null(
        "max_min_difference",
        counts_per_subject([1, 1, 0, 0], [1, 1, 1, 1], 2),
        labels=[0, 0, 1, 1],
        rng=np.random.default_rng(0),
        permutations=3000,
    )
    assert null.observed == 1
    assert set(null.values) == {0.0, 1.0}
    assert null.p == pytest.approx(1 / 3, abs=0.03)


def test_people_move_with_all_their_images():
    null = permutation_null(
        "max_min_difference",
        counts_per_subject([5, 0], [5, 5], 2),
        labels=[0, 1],
        rng=np.random.default_rng(0),
        permutations=20,
    )
    assert set(null.values) == {1.0}  # permuting images separately would give values in between
    assert null.p == 1


def test_a_measure_that_is_fairer_when_higher_counts_low_values():
    counts = counts_per_subject(np.r_[np.ones(30, int), np.zeros(30, int)], np.ones(60, int), 2)
    labels = np.repeat([0, 1], 30)
    rng = np.random.default_rng(1)
    null = permutation_null("fairness_discrepancy_rate", counts, counts, labels=labels, rng=rng, permutations=200)
    assert null.observed == 0
    assert null.p == pytest.approx(1 / 201)
    assert null.observed < null.extreme < null.median


def test_p_is_uniform_when_groups_mean_nothing():
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(3), 20)
    found = []
    for _ in range(120):
        counts = counts_per_subject(rng.binomial(4, 0.3, 60), np.full(60, 4), 3)
        found.append(permutation_null("gini", counts, labels=labels, rng=rng, permutations=60).p)
    assert np.mean(np.array(found) <= 0.2) == pytest.approx(0.2, abs=0.1)


def test_the_largest_of_many_is_large_by_chance_and_the_null_says_so():
    rng = np.random.default_rng(3)
    counts = counts_per_subject(rng.binomial(5, 0.1, 200), np.full(200, 5), 20)
    null = permutation_null("max_min_ratio", counts, labels=np.arange(200) % 20, rng=rng, permutations=200)
    assert null.median > 2


def test_undefined_permutations_are_counted_not_hidden():
    counts = counts_per_subject([1, 1, 0, 0], [1, 1, 1, 1], 2)
    null = permutation_null(
        "max_min_ratio", counts, labels=[0, 1, 0, 1], rng=np.random.default_rng(0), permutations=300
    )
    assert 50 < null.undefined < 150
    assert np.isnan(null.values).sum() == null.undefined
    assert null.observed == 1


def test_false_matches_per_group_are_those_of_the_rate():
    images = np.array([1, 2, 1, 3, 1])
    labels = np.array([0, 0, 1, 1, 1])
    left, right, wrong = [0, 2, 3, 1], [1, 3, 4, 4], [1, 2, 1, 1]
    errors, trials = counts_per_pair(left, right, wrong, images, 2)(labels)
    rate = dyadic_fmr([2, 3], [3, 4], [2, 1], images=np.where(labels == 1, images, 0))
    assert (errors[1], trials[1]) == (rate.errors, rate.trials)
    assert (errors[0], trials[0]) == (1, 2)


def test_no_permutations_are_refused():
    counts = counts_per_subject([1, 0], [1, 1], 2)
    with pytest.raises(StatisticsError, match="permutations"):
        permutation_null("gini", counts, labels=[0, 1], rng=np.random.default_rng(0), permutations=0)
