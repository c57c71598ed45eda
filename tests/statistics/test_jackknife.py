"""The published variance by brute force, and the bound by disjoint pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from facegap.statistics.jackknife import PairSums, disjoint_pairs, pair_effective_trials, plain_variance


def sums_of(errors, trials):
    """PairSums of full symmetric matrices [people, people]."""
    rate = errors.sum() / trials.sum()
    squares = ((errors - rate * trials) ** 2).sum(1)
    half = trials.sum(1) / 2
    return np.asarray(rate), np.asarray(trials.sum() / 2), PairSums(errors.sum(1), half, half, squares)


def drawn_world(seed, people=7):
    rng = np.random.default_rng(seed)
    trials = np.triu(rng.integers(1, 5, (people, people)), 1)
    errors = rng.binomial(trials, 0.3)
    return (errors + errors.T).astype(float), (trials + trials.T).astype(float)


def test_plain_variance_is_the_published_double_sum():
    errors, trials = drawn_world(0)
    rate, total, sums = sums_of(errors, trials)
    e = errors - rate * trials
    people = range(len(e))
    own = sum(e[i, j] ** 2 for i, j in itertools.combinations(people, 2))
    joint = sum(e[i, j] * e[i, k] for i in people for j in people for k in people if len({i, j, k}) == 3)
    assert plain_variance(rate, total, sums) == pytest.approx((own + max(0, joint)) / total**2)


@pytest.mark.parametrize(("people", "images"), [(40, 1), (7, 3)])
def test_equal_people_bound_effective_trials_by_half_their_number(people, images):
    own = np.full(people, images**2 * (people - 1) / 2)
    sums = PairSums(own, own, own, own)
    assert disjoint_pairs(np.asarray(images**2 * people * (people - 1) / 2), sums) == pytest.approx(people / 2)


def test_between_two_groups_the_bound_is_the_smaller_one():
    left, right = np.r_[np.full(5, 9.0), np.zeros(9)], np.r_[np.zeros(5), np.full(9, 5.0)]
    assert disjoint_pairs(np.asarray(45.0), PairSums(left, left, right, left)) == pytest.approx(5)


def test_leading_axes_are_many_rates_at_once():
    worlds = [drawn_world(seed) for seed in range(5)]
    alone = [sums_of(*world) for world in worlds]
    rate, total = np.array([a[0] for a in alone]), np.array([a[1] for a in alone])
    together = PairSums(
        *(
            np.stack([getattr(a[2], f) for a in alone])
            for f in ("errors", "trials_left", "trials_right", "squares", "within")
        )
    )
    expected = [float(pair_effective_trials(*a, level=0.95)) for a in alone]
    assert pair_effective_trials(rate, total, together, level=0.95) == pytest.approx(expected)


def test_a_person_behind_most_errors_costs_effective_trials():
    people = 30
    spread, one = np.zeros((people, people)), np.zeros((people, people))
    for k in range(10):
        spread[2 * k, 2 * k + 1] = spread[2 * k + 1, 2 * k] = 1
        one[0, k + 1] = one[k + 1, 0] = 1
    trials = 1.0 - np.eye(people)
    many, few = (float(pair_effective_trials(*sums_of(errors, trials), level=0.95)) for errors in (spread, one))
    assert few < many / 4
