"""The gap after balancing: worked by hand, against Mantel and Haenszel, against resampling, and undefined cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from facegap.errors import StatisticsError
from facegap.statistics.covariates.balancing import (
    Trials,
    balanced_gap,
    basis_of,
    comparable_trials,
    dyadic_variance,
    influence_of,
    resampled_variance,
)
from facegap.statistics.covariates.logistic import fit_logistic, with_constant
from facegap.statistics.dyadic import dyadic_fmr


def people(errors, group) -> Trials:
    return Trials(np.asarray(errors, bool), np.asarray(group, bool), np.arange(len(errors)), np.ones(len(errors)))


def left(trials, covariates, scale="difference", level=0.95, seed=0, replicates=200):
    rng = np.random.default_rng(seed)
    return balanced_gap(trials, np.asarray(covariates, float), scale=scale, level=level, replicates=replicates, rng=rng)


def shifted(size=600, seed=0, gap=0.0):
    rng = np.random.default_rng(seed)
    group = np.arange(size) < size // 2
    dark = rng.normal(size=size) + 0.8 * group
    return people(rng.random(size) < expit(dark - 2) + gap * group, group), dark[:, None]


def test_two_strata_give_the_risk_difference_of_mantel_and_haenszel():
    # Stratum 0: 10 of 40 against 10 of 80; stratum 1: 30 of 60 against 8 of 20.
    cells = [(1, 0, 10, 40), (0, 0, 10, 80), (1, 1, 30, 60), (0, 1, 8, 20)]
    group = np.concatenate([np.full(n, g) for g, _, _, n in cells])
    stratum = np.concatenate([np.full(n, s) for _, s, _, n in cells])
    errors = np.concatenate([np.arange(n) < wrong for _, _, wrong, n in cells])
    weight = np.array([40 * 80 / 120, 60 * 20 / 80])
    by_hand = weight @ [10 / 40 - 10 / 80, 30 / 60 - 8 / 20] / weight.sum()
    assert left(people(errors, group), stratum[:, None]).gap == pytest.approx(by_hand, abs=2e-4)


def test_without_covariates_the_gap_is_the_difference_or_ratio_of_the_rates():
    trials = people(np.r_[np.arange(100) < 20, np.arange(200) < 10], np.arange(300) < 100)
    raw = left(trials, np.empty((300, 0)))
    assert (raw.gap, raw.effective, raw.reference_effective, raw.overlap) == pytest.approx((0.15, 100, 200, 1))
    assert left(trials, np.empty((300, 0)), scale="ratio").gap == pytest.approx(4.0)


def test_a_gap_that_goes_with_the_covariate_is_taken_out_and_one_beside_it_stays():
    through, dark = shifted()
    raw, after = left(through, np.empty((600, 0))), left(through, dark)
    assert raw.low > 0
    assert after.low < 0 < after.high
    beside, dark = shifted(gap=0.2)
    assert left(beside, dark).low > 0.08


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_balanced_groups_have_the_same_mean_of_every_covariate(seed):
    rng = np.random.default_rng(seed)
    group = rng.random(300) < 0.4
    covariates = rng.normal(size=(300, 2)) + 0.5 * group[:, None]
    design = with_constant(basis_of(covariates))
    chance = expit(design @ fit_logistic(design, group.astype(float), np.ones(300)))
    means = [
        np.average(covariates[side], axis=0, weights=weight[side])
        for side, weight in ((group, 1 - chance), (~group, chance))
    ]
    np.testing.assert_allclose(means[0], means[1], atol=2e-3)


def test_people_without_a_counterpart_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    group = np.arange(400) < 200
    light = np.where(group, rng.uniform(0, 0.8, 400), rng.uniform(0.4, 1, 400))
    kept, empty = comparable_trials(light[:, None], group, np.arange(400))
    assert empty[0] >= 2
    assert light[kept].min() > 0.3
    assert light[kept].max() < 0.9
    trials = people(rng.random(400) < 0.2, group)
    found = left(trials, light[:, None])
    assert int(found.comparable.sum()) == int(kept.sum())
    assert found.effective < 200


def test_groups_without_a_common_covariate_have_no_gap_left_and_say_why():
    group = np.arange(200) < 100
    found = left(
        people(np.arange(200) % 7 == 0, group), np.where(group, 5.0, 0.0)[:, None] + np.arange(200)[:, None] / 1e3
    )
    assert np.isnan(found.gap)
    assert found.reason == "no comparable people in one of the groups"


def test_too_many_covariates_for_so_few_people_are_refused_with_a_reason():
    rng = np.random.default_rng(0)
    found = left(people(np.arange(60) % 4 == 0, np.arange(60) < 30), rng.normal(size=(60, 3)))
    assert "comparable people in one of the groups for these covariates" in found.reason


def test_no_error_in_a_group_has_no_ratio_and_an_interval_of_the_difference():
    trials = people(np.r_[np.arange(100) < 9, np.zeros(100, bool)], np.arange(200) < 100)
    assert left(trials, np.empty((200, 0)), scale="ratio").reason == "no error in one of the groups, so no ratio"
    none = people(np.zeros(200, bool), np.arange(200) < 100)
    found = left(none, np.empty((200, 0)))
    assert found.gap == 0
    assert found.low < -0.02
    assert found.high > 0.02


def test_a_covariate_that_is_not_finite_is_an_error():
    with pytest.raises(
        StatisticsError, match="each covariate must be one finite number per trial; omit trials without it"
    ):
        left(people([True, False], [True, False]), [[1.0], [np.nan]])


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    trials, dark = shifted(200)
    one, again, other = (left(trials, dark, seed=seed) for seed in (1, 1, 2))
    assert (one.low, one.high) == (again.low, again.high)
    assert one.low != other.low


@pytest.mark.parametrize("scale", ["difference", "ratio"])
def test_the_linearised_variance_is_that_of_resampling(scale):
    trials, dark = shifted(2000, gap=0.1)
    design = with_constant(basis_of(dark))
    fit = fit_logistic(design, trials.in_group.astype(float), trials.weights)
    chance = expit(design @ fit)
    influence = influence_of(trials, design, chance, scale)
    assert abs(influence.sum()) < 1e-3
    drawn = resampled_variance(
        trials, design, trials.in_group.astype(float), fit, scale, 1000, np.random.default_rng(0)
    )
    assert float((influence**2).sum()) == pytest.approx(drawn, rel=0.15)


def test_several_images_of_a_person_widen_the_interval():
    trials, dark = shifted(400)
    twice = Trials(*(np.tile(part, 2) for part in (trials.errors, trials.in_group, trials.units, trials.weights)))
    as_people = replace(twice, units=np.arange(800))
    both = np.tile(dark, (2, 1))
    narrow, wide = left(as_people, both), left(twice, both)
    assert (wide.high - wide.low) > 1.3 * (narrow.high - narrow.low)
    assert wide.effective == pytest.approx(narrow.effective / 2, rel=0.01)


def pairs_of_people(seed=0, size=60, rho=0.4):
    """All pairs within each of two groups; people differ."""
    rng = np.random.default_rng(seed)
    left_one, right_one = np.triu_indices(size, 1)
    group = np.arange(size) < size // 2
    same = group[left_one] == group[right_one]
    first, second = left_one[same], right_one[same]
    person = rho * rng.normal(size=size)
    wrong = rng.random(len(first)) < np.exp(-2.5 + person[first] + person[second] + 0.4 * group[first])
    return Trials(wrong, group[first], first, np.ones(len(first)), second), group


def test_the_variance_over_pairs_is_near_that_of_a_false_match_rate():
    trials, group = pairs_of_people()
    design = np.ones((len(trials.errors), 1))
    influence = influence_of(trials, design, np.full(len(trials.errors), 0.5), "difference")
    found = float(dyadic_variance(trials, influence[None])[0][0])
    parts = []
    for side in (True, False):
        wrong = trials.errors & (trials.in_group == side)
        rate = dyadic_fmr(
            trials.units[wrong],
            trials.others[wrong],
            np.ones(int(wrong.sum()), int),
            images=(group == side).astype(int),
        )
        parts.append(rate.value * (1 - rate.value) / rate.effective_trials)
    assert 0.5 * sum(parts) < found < 1.3 * sum(parts), "dyadic_fmr adds Student's t to its effective trials"


def test_a_weighted_sample_of_the_pairs_gives_the_gap_of_all():
    trials, _ = pairs_of_people(size=100)
    rng = np.random.default_rng(0)
    half = trials.errors | (rng.random(len(trials.errors)) < 0.5)
    weights = np.ones(len(trials.errors))
    for side in (trials.in_group, ~trials.in_group):
        others = side & ~trials.errors
        weights[others] = others.sum() / (others & half).sum()
    sampled = replace(trials.only(half), weights=weights[half])
    whole, part = (left(one, np.empty((len(one.errors), 0)), "ratio") for one in (trials, sampled))
    assert part.gap == pytest.approx(whole.gap)
    assert np.log(part.high / part.low) == pytest.approx(np.log(whole.high / whole.low), rel=0.1)
