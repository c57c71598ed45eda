"""Tests of a gap with rare errors: exact size over all outcomes, and monotonicity in the evidence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc
from scipy.stats import binom
from tests.fixtures.campaigns import short_and_full

from facegap.statistics import gap_difference, gap_family, gap_ratio, newcombe_difference
from facegap.statistics.intervals import difference_p

RATES = np.unique(np.concatenate([np.geomspace(2e-6, 0.5, 350), np.linspace(0.005, 0.5, 150)]))
ALL_SIZES = (20, 30, 50, 100, 200, 500, 1000, 2000, 5000)


def rejection_region(interval, size_a, size_b):
    """Per number of errors in a, the largest number in b that is significantly lower (-1: none) and the smallest higher."""
    a, b = (side.ravel() for side in np.meshgrid(np.arange(size_a + 1), np.arange(size_b + 1), indexing="ij"))
    low, high = interval(a, size_a, b, size_b)
    fewer, more = (low > 0).reshape(size_a + 1, -1), (high < 0).reshape(size_a + 1, -1)
    assert (np.diff(fewer.astype(int), axis=1) <= 0).all()  # fewer errors in b never weaken the gap
    assert (np.diff(more.astype(int), axis=1) >= 0).all()
    return fewer.sum(axis=1) - 1, size_b + 1 - more.sum(axis=1)


def size_of(interval, size_a, size_b):
    fewer, more = rejection_region(interval, size_a, size_b)
    weights = binom.pmf(np.arange(size_a + 1), size_a, RATES[:, None])
    rates = RATES[:, None]
    below = np.where(fewer >= 0, bdtr(np.maximum(fewer, 0), size_b, rates), 0.0)
    above = np.where(more <= size_b, bdtrc(np.clip(more - 1, 0, size_b), size_b, rates), 0.0)
    return float((weights * (below + above)).sum(axis=1).max())


PAIRS = [(a, b) for k, a in enumerate(ALL_SIZES) for b in ALL_SIZES[k:] if a * b <= 5_000_000]


@short_and_full("pairs", [(20, 20), (20, 50), (20, 1000), (20, 5000), (30, 200), (50, 1000), (100, 500)], PAIRS)
def test_one_test_of_a_gap_has_a_size_of_at_most_006_for_every_pair_of_group_sizes(pairs):
    sizes = {pair: size_of(gap_difference, *pair) for pair in pairs}
    assert max(sizes.values()) <= 0.058, sizes
    assert min(sizes.values()) >= 0.03, sizes


def test_the_size_by_newcombe_is_what_was_wrong():
    assert size_of(newcombe_difference, 20, 1000) == pytest.approx(0.0984, abs=3e-4)
    assert size_of(newcombe_difference, 20, 5000) == pytest.approx(0.1215, abs=3e-4)


@pytest.mark.parametrize("sizes", [(20, 20), (20, 500), (40, 40), (100, 30)])
@pytest.mark.parametrize(("interval", "is_ratio"), [(gap_difference, False), (gap_ratio, True)])
def test_the_intervals_of_a_gap_cover_at_least_094_at_equal_and_unequal_rates(sizes, interval, is_ratio):
    size_a, size_b = sizes
    a, b = (side.ravel() for side in np.meshgrid(np.arange(size_a + 1), np.arange(size_b + 1), indexing="ij"))
    low, high = interval(a, size_a, b, size_b)
    covered = []
    for ratio in (1, 2, 5):
        for rate in np.geomspace(0.1 / max(sizes), 0.9 / ratio, 40):
            truth = float(ratio) if is_ratio else ratio * rate - rate
            inside = ((low <= truth + 1e-12) & (truth <= high + 1e-12)).reshape(size_a + 1, -1)
            of_a, of_b = (binom.pmf(np.arange(n + 1), n, p) for n, p in ((size_a, ratio * rate), (size_b, rate)))
            covered.append(of_a @ inside @ of_b)
    assert min(covered) >= 0.94


def test_one_error_of_20_people_makes_no_gap_in_a_family_of_four():
    sizes = [20, 1000, 1000, 1000]
    found = gap_family(list("abcd"), [1, 2, 1, 2], sizes, sizes, sizes, margin=0.02, scale="difference")
    assert not found.columns.differs.any()
    assert found.columns.p.min() > 0.02


def gap_p(size_a, size_b):
    """p of every outcome, [errors in a, errors in b]."""
    a, b = np.meshgrid(np.arange(size_a + 1.0), np.arange(size_b + 1.0), indexing="ij")
    sides = [a.ravel() / size_a, np.full(a.size, float(size_a)), b.ravel() / size_b, np.full(a.size, float(size_b))]
    return difference_p(*sides).reshape(a.shape)


SEEDED = [tuple(int(n) for n in pair) for pair in np.random.default_rng(3).integers(1, 61, (60, 2))]


@short_and_full("sizes", [*SEEDED, (20, 60), (60, 60), (60, 20)], [(a, b) for a in range(1, 61) for b in range(1, 61)])
def test_with_one_trial_a_subject_an_error_less_in_the_better_group_never_raises_p(sizes):
    for size_a, size_b in sizes:
        p = gap_p(size_a, size_b)
        better = (np.arange(size_b + 1)[None] * size_a) <= (np.arange(size_a + 1)[:, None] * size_b)
        step = p[:, :-1] - p[:, 1:]  # change of p when an error is removed from b
        assert (step[better[:, 1:]] <= 1e-12).all(), (size_a, size_b)


@short_and_full("size", [24], [20, 37, 60])
@pytest.mark.parametrize(("scale", "margin"), [("difference", 0.02), ("ratio", 2.0)])
def test_nor_does_it_weaken_a_verdict(size, scale, margin):
    for people in np.atleast_1d(size).tolist():
        for errors in range(0, people + 1, 7):
            said = [
                gap_family(["a", "b"], [errors, fewer], *[[people, people]] * 3, margin=margin, scale=scale).columns
                for fewer in range(errors + 1)
            ]
            differs = [bool(found.differs[0]) for found in said]
            assert differs == sorted(differs, reverse=True)
            low = [float((found.ratio_low if scale == "ratio" else found.difference_low)[0]) for found in said]
            assert all(np.diff(low) <= 1e-12)
