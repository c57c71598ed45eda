"""Resampling subjects within groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics import (
    GenuineList,
    ImpostorList,
    bootstrap_rates,
    correlation_of_replicates,
    pair_variance,
    percentile_interval,
    subject_weights,
)


def listed(seed=0, people=30, groups=2, complete=True, score=None):
    """Every impostor pair of people with two images each, one score per pair of images."""
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(people, 1)
    left, right = np.repeat(left, 4), np.repeat(right, 4)
    scores = rng.normal(size=len(left)) if score is None else np.full(len(left), score)
    return ImpostorList(left, right, scores, np.full(people, 2), np.arange(people) % groups, complete)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_weights_sum_to_the_size_of_every_group(groups, seed):
    codes = np.array(groups)
    weights = subject_weights(codes, np.random.default_rng(seed))
    sums = np.bincount(codes, weights=weights, minlength=5)
    assert sums.tolist() == np.bincount(codes, minlength=5).tolist()


def test_weights_are_one_on_average():
    codes = np.repeat([0, 1, 2], [3, 10, 40])
    rng = np.random.default_rng(1)
    mean = np.mean([subject_weights(codes, rng) for _ in range(3000)], axis=0)
    assert mean == pytest.approx(np.ones(53), abs=0.1)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_threads(threads):
    genuine = GenuineList(np.arange(30), np.linspace(-1, 4, 30))
    found = [
        bootstrap_rates(listed(), genuine, rng=np.random.default_rng(5), replicates=40, target_fmr=0.05, threads=n)
        for n in (1, threads)
    ]
    for field in ("threshold", "fmr", "fnmr"):
        assert getattr(found[0], field).tobytes() == getattr(found[1], field).tobytes()


def test_another_seed_gives_other_replicates():
    a, b = (bootstrap_rates(listed(), None, rng=np.random.default_rng(s), replicates=5, threshold=1.0) for s in (1, 2))
    assert not np.array_equal(a.fmr, b.fmr)


def test_a_replicate_is_the_weighted_count_spelled_out():
    impostors = listed(people=8)
    genuine = GenuineList(np.array([0, 0, 3, 5, 6]), np.array([0.1, 2.0, np.nan, 1.0, 0.9]))
    found = bootstrap_rates(impostors, genuine, rng=np.random.default_rng(3), replicates=1, target_fmr=0.1)
    seeds = np.random.default_rng(3).integers(0, 2**63, size=4).tolist()
    weights = subject_weights(impostors.groups, np.random.default_rng(np.random.SeedSequence(seeds).spawn(1)[0]))
    pair = weights[impostors.left] * weights[impostors.right]
    candidates = [t for t in np.sort(impostors.score) if pair[impostors.score >= t].sum() <= 0.1 * pair.sum()]
    assert found.threshold[0] == candidates[0]
    for group in (0, 1):
        inside = (impostors.groups[impostors.left] == group) & (impostors.groups[impostors.right] == group)
        hits = pair[inside & (impostors.score >= candidates[0])].sum()
        assert found.fmr[0, group] == pytest.approx(hits / pair[inside].sum())
        mine = impostors.groups[genuine.subject] == group
        weight = weights[genuine.subject[mine]]
        missed = ~(genuine.score[mine] >= candidates[0])
        assert found.fnmr[0, group] == pytest.approx(weight[missed].sum() / weight.sum())


def test_a_fixed_threshold_stays():
    found = bootstrap_rates(listed(), None, rng=np.random.default_rng(0), replicates=3, threshold=0.5)
    assert found.threshold.tolist() == [0.5] * 3
    assert np.isnan(found.fnmr).all()


def test_equal_scores_stay_together_so_none_is_accepted():
    found = bootstrap_rates(listed(score=1.0), None, rng=np.random.default_rng(0), replicates=2, target_fmr=0.5)
    assert found.threshold.tolist() == [np.nextafter(1.0, 2.0)] * 2
    assert found.fmr.tolist() == [[0.0, 0.0]] * 2


def test_a_list_that_ends_too_early_is_an_error_that_says_how_long_it_must_be():
    whole = listed()
    top = np.argsort(-whole.score)[:100]
    short = ImpostorList(whole.left[top], whole.right[top], whole.score[top], whole.images, whole.groups)
    with pytest.raises(StatisticsError, match=r"list at least [0-9]+ pairs"):
        bootstrap_rates(short, None, rng=np.random.default_rng(0), replicates=20, target_fmr=0.5)
    with pytest.raises(StatisticsError, match="below the listed scores"):
        bootstrap_rates(short, None, rng=np.random.default_rng(0), replicates=2, threshold=-9.0)


@pytest.mark.parametrize("settings", [{}, {"threshold": 0.1, "target_fmr": 0.1}])
def test_exactly_one_way_to_a_threshold_is_asked_for(settings):
    with pytest.raises(StatisticsError, match="give either"):
        bootstrap_rates(listed(), None, rng=np.random.default_rng(0), **settings)


def test_pair_noise_is_taken_out_of_the_variance_but_not_more():
    replicates = np.array([0.0, 2.0])
    assert pair_variance(replicates, 0.5) == pytest.approx(1.0)
    assert pair_variance(replicates, 5.0) == 5.0


def test_the_corrected_variance_of_independent_pairs_is_near_the_true_one():
    # Reference: the variance between samples, for pairs without effects of people.
    people, rate = 30, 0.2
    left, right = np.triu_indices(people, 1)
    rng = np.random.default_rng(8)
    raw, corrected = [], []
    for _ in range(25):
        wrong = (rng.random(len(left)) < rate).astype(float)
        impostors = ImpostorList(left, right, wrong, np.ones(people, int), np.zeros(people, int), True)
        found = bootstrap_rates(impostors, None, rng=rng, replicates=150, threshold=0.5).fmr[:, 0]
        noise = ((wrong - wrong.mean()) ** 2).sum() / len(left) ** 2
        raw.append(np.var(found, ddof=1))
        corrected.append(pair_variance(found, noise))
    truth = rate * (1 - rate) / len(left)
    assert 2.3 < np.mean(raw) / truth < 3.5
    assert 0.8 < np.mean(corrected) / truth < 1.6


def test_percentiles_leave_out_undefined_replicates_but_not_most_of_them():
    values = np.r_[np.linspace(0, 1, 101), np.nan]
    assert percentile_interval(values, level=0.9) == pytest.approx((0.05, 0.95))
    assert np.isnan(percentile_interval(np.array([1.0, np.nan, np.nan]))).all()


def test_correlation_of_replicates_ignores_constant_columns():
    values = np.array([[0.0, 0.0, 1.0], [1.0, 2.0, 1.0], [2.0, 4.0, 1.0], [np.nan, 9.0, 9.0]])
    assert correlation_of_replicates(values) == pytest.approx(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]))
