"""Joint resampling of people for both models: worked by hand with known weights, against closed forms, and simulated."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from facegap.statistics.dyadic import dyadic_fmr
from facegap.statistics.paired_bootstrap import (
    PairRate,
    PersonRate,
    contrast,
    joint_replicates,
    pair_noise,
    strata_of,
    with_two_more,
)
from fixtures.campaigns import short_and_full


def person(errors: list[float], trials: list[float]) -> PersonRate:
    return PersonRate(np.array(errors, float), np.array(trials, float))


def pairs_of(people: int, wrong: dict[tuple[int, int], int], images: list[int] | None = None, **more: Any) -> PairRate:
    places = np.array(list(wrong), np.int64).reshape(-1, 2)
    counts = None if images is None else np.array(images, float)
    return PairRate(people, places, np.array(list(wrong.values()), float), counts, **more)


def test_a_rate_of_people_under_weights_by_hand() -> None:
    rate = person([1, 0, 2], [2, 1, 4])
    assert rate.value == 3 / 7
    weights = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    found = rate.replicates(weights)
    assert found[:2] == pytest.approx([2 / 5, 6 / 12])
    assert math.isnan(found[2])
    assert rate.influence() == pytest.approx((np.array([1, 0, 2]) - 3 / 7 * np.array([2, 1, 4])) / 7)


def test_a_rate_of_pairs_under_weights_by_hand() -> None:
    # images 2 1 1: pairs of images 0-1 two, 0-2 two, 1-2 one; wrong: one of 0-1, one of 1-2
    rate = pairs_of(3, {(0, 1): 1, (1, 2): 1}, [2, 1, 1])
    assert (rate.total, rate.value) == (5, 2 / 5)
    # weights 2 1 0: trials 2*1*2 = 4, errors 2*1*1 = 2
    assert rate.replicates(np.array([[2.0, 1.0, 0.0]])) == pytest.approx([0.5])
    assert rate.influence() == pytest.approx((np.array([1, 2, 1]) - 0.4 * np.array([4, 3, 3])) / 5)


def test_pairs_that_were_left_out_are_no_trials_whatever_the_weights() -> None:
    left_out = {"tried": np.array([[0, 2]]), "trials": np.array([2.0])}
    rate = pairs_of(3, {(0, 1): 1}, [2, 1, 1], **left_out)
    assert rate.total == 3
    assert rate.replicates(np.array([[1.0, 2.0, 3.0]])) == pytest.approx([2 / (2 * 2 + 2 * 3)])
    listed = pairs_of(3, {(0, 1): 1}, tried=np.array([[0, 1], [1, 2]]), trials=np.array([2.0, 1.0]))
    assert listed.total == 3
    assert listed.influence() == pytest.approx(rate.influence())


def test_the_same_model_twice_differs_in_no_replicate() -> None:
    rate = pairs_of(20, {(0, 1): 1, (3, 4): 1, (3, 9): 1}, [1] * 20)
    drawn = joint_replicates([rate, rate], np.zeros(20, np.int64), rng=np.random.default_rng(0), replicates=50)
    assert drawn.shape == (50, 2)
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert drawn[:, 0].std() > 0
    found = contrast([rate, rate], drawn, (-1.0, 1.0), logarithmic=False, level=0.95)
    assert found.value == 0
    assert math.isnan(found.p)


def test_people_of_one_kind_are_drawn_like_people_one_by_one() -> None:
    """Sampling numbers of each kind has the mean and variance of sampling the people themselves."""
    rng = np.random.default_rng(2)
    trials = rng.integers(1, 4, 60).astype(float)
    a, b = (person(list(rng.binomial(trials.astype(int), p)), list(trials)) for p in (0.2, 0.35))
    strata = np.repeat([0, 1], 30)
    drawn = joint_replicates([a, b], strata, rng=np.random.default_rng(3), replicates=4000)
    difference = drawn[:, 1] - drawn[:, 0]
    influence = b.influence() - a.influence()
    expected = sum(((influence[strata == s] - influence[strata == s].mean()) ** 2).sum() for s in (0, 1))
    assert difference.var() == pytest.approx(expected, rel=0.1)
    assert difference.mean() == pytest.approx(b.value - a.value, abs=0.01)


def test_every_group_keeps_its_number_of_people() -> None:
    one, other = person([0] * 5 + [0] * 7, [1] * 5 + [0] * 7), person([0] * 12, [0] * 5 + [1] * 7)
    strata = strata_of(np.stack([one.trials > 0, other.trials > 0], axis=1), extended=False)
    assert len(set(strata[:5])) == len(set(strata[5:])) == 1
    assert strata[0] != strata[-1]


def test_two_more_people_give_no_error_at_all_a_width_as_bonett_and_price_do() -> None:
    a = b = person([0] * 30, [1] * 30)
    a, b = with_two_more(a, b)
    strata = strata_of(np.ones((30, 1), bool), extended=True)
    assert len(set(strata)) == 1 and len(strata) == 32
    drawn = joint_replicates([a, b], strata, rng=np.random.default_rng(1), replicates=4000)
    found = contrast([a, b], drawn, (-1.0, 1.0), logarithmic=False, level=0.95)
    half = 1.959964 * math.sqrt(2 / 32 / 32)
    assert (found.low, found.high) == pytest.approx((-half, half), rel=0.06)


def test_the_people_of_each_group_stand_in_places_of_their_own() -> None:
    first, _ = with_two_more(person([1, 0], [1, 1]), person([0, 0], [1, 1]), group=1, groups=3)
    assert first.errors.tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert first.trials.tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    member = np.array([[True, False, False], [False, True, False]])
    strata = strata_of(member, extended=True)
    assert strata[2] == strata[3] == strata[0]
    assert strata[4] == strata[5] == strata[1]


def test_the_variance_of_a_pair_rate_is_that_of_its_own_interval() -> None:
    """A difference to a rate that never varies has nearly the width of the rate's own dyadic interval."""
    rng = np.random.default_rng(4)
    people = 60
    wrong = {pair: 1 for pair in combinations(range(people), 2) if rng.random() < 0.05}
    rate = pairs_of(people, wrong, [1] * people)
    drawn = joint_replicates([rate], np.zeros(people, np.int64), rng=np.random.default_rng(5))
    found = contrast([rate], drawn, (1.0,), logarithmic=False, level=0.95)
    left, right = np.array(list(wrong)).T
    own = dyadic_fmr(left, right, np.ones(len(left), int), images=np.ones(people, int))
    assert found.value == pytest.approx(own.value)
    assert found.high - found.low == pytest.approx(own.high - own.low, rel=0.25)


def test_noise_of_pairs_that_both_models_get_wrong_cancels() -> None:
    shared = pairs_of(10, {(0, 1): 1, (2, 3): 1}, [1] * 10)
    other = pairs_of(10, {(4, 5): 1, (6, 7): 1}, [1] * 10)
    assert pair_noise([shared, shared], np.array([-1.0, 1.0])) == 0
    apart = pair_noise([shared, other], np.array([-1.0, 1.0]))
    assert apart == pytest.approx(4 * (1 / 45) ** 2 * (1 - 2 / 45))
    assert pair_noise([person([1], [1])], np.array([1.0])) == 0


def test_a_rate_without_errors_is_worth_its_disjoint_pairs_only() -> None:
    some, none = pairs_of(40, {(0, 1): 1, (2, 3): 1, (4, 5): 1}, [1] * 40), pairs_of(40, {}, [1] * 40)
    drawn = joint_replicates([some, none], np.zeros(40, np.int64), rng=np.random.default_rng(0))
    found = contrast([some, none], drawn, (-1.0, 1.0), logarithmic=False, level=0.95, disjoint=[20, 20])
    assert found.high - found.low > 2 * 1.9 / 22
    assert found.p > 0.9
    both = contrast([none, none], drawn[:, [1, 1]], (-1.0, 1.0), logarithmic=False, level=0.95, disjoint=[20, 20])
    assert both.value == 0 and both.high > 1.9 / 22


def test_a_ratio_of_a_rate_without_errors_is_undefined() -> None:
    some, none = pairs_of(10, {(0, 1): 1}, [1] * 10), pairs_of(10, {}, [1] * 10)
    drawn = joint_replicates([some, none], np.zeros(10, np.int64), rng=np.random.default_rng(0), replicates=20)
    found = contrast([some, none], drawn, (-1.0, 1.0), logarithmic=True, level=0.95)
    assert math.isnan(found.value) and math.isnan(found.p)
    empty = person([0, 0], [0, 0])
    nothing = contrast([empty], np.full((20, 1), np.nan), (1.0,), logarithmic=False, level=0.95)
    assert math.isnan(nothing.low)


@short_and_full("worlds", 80, 2000)
def test_intervals_of_a_difference_of_false_match_rates_hold_the_truth(worlds: int) -> None:
    """Simulations of 40 people with scores that have effects of both people: the paired interval contains the true difference.

    Both models see the same people, so their errors are correlated; the true rates are .05 and .08.
    """
    rng, held, narrower = np.random.default_rng(8), 0, 0
    people, rho = 40, 0.1
    left, right = np.triu_indices(people, 1)
    limits = (1.6448536, 1.4050716)  # standard normal quantiles of .95 and .92
    for _ in range(worlds):
        effect = rng.normal(size=people)
        shared = math.sqrt(rho) * (effect[left] + effect[right])
        sides = []
        for limit in limits:
            wrong = shared + math.sqrt(1 - 2 * rho) * rng.normal(size=len(left)) >= limit
            sides.append(
                PairRate(people, np.stack([left, right], 1)[wrong], np.ones(int(wrong.sum())), np.ones(people))
            )
        drawn = joint_replicates(sides, np.zeros(people, np.int64), rng=rng, replicates=300)
        found = contrast(sides, drawn, (-1.0, 1.0), logarithmic=False, level=0.95, disjoint=[20, 20])
        held += found.low <= 0.03 <= found.high
        alone = [contrast([s], drawn[:, [k]], (1.0,), logarithmic=False, level=0.95) for k, s in enumerate(sides)]
        narrower += found.high - found.low < math.hypot(*(one.high - one.low for one in alone))
    assert held / worlds >= 0.92
    assert narrower / worlds > 0.9  # effects common to both cancel


def test_a_pair_within_a_unit_goes_with_the_unit_and_counts_once() -> None:
    # Unit 0 has two people, units 1 and 2 one each: six pairs of people; the one within unit 0 is an error.
    within = np.array([[0, 0]])
    rate = PairRate(3, within, np.array([1.0]), np.array([2.0, 1.0, 1.0]), within, np.array([-1.0]))
    assert (rate.total, rate.value) == (6.0, pytest.approx(1 / 6))
    # Twice unit 0, once unit 1: 2 x (2 x 1) pairs across, and 2 within that are errors.
    assert rate.replicates(np.array([[2.0, 1.0, 0.0]])) == pytest.approx([2 / 6])
    assert rate.influence() * 6 == pytest.approx([1 - 5 / 6, -3 / 6, -3 / 6])
