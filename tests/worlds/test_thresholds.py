"""Simulated thresholds: the simulations have the stated rates, and intervals at a target cover them."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.worlds.thresholds import IntervalCoverage, Of, World, compared, studied

SMALL = World((30, 30), 3, 0.1, 0.02)


def found(world: World, worlds: int, seed: int) -> dict[tuple[str, str, Of], IntervalCoverage]:
    rows = studied(world, worlds, np.random.default_rng(seed))
    return {(one.method, one.metric, one.of): one for one in rows}


def test_the_true_threshold_meets_the_target_over_all_pairs_of_two_groups() -> None:
    world = World((10, 30), 2, 0.1, 0.01, shifts=(0.0, 0.2))
    inside = [world.fmr(world.threshold, group) for group in (0, 1)]
    assert inside[0] < 0.01 < inside[1]
    assert world.fmr(world.threshold) == pytest.approx(0.01)
    assert world.true_fnmr(world.threshold, 0) == pytest.approx(0.05)


def test_scores_have_the_stated_rates_at_any_threshold_above_the_floor() -> None:
    rng = np.random.default_rng(1)
    world = World((60, 60), 3, 0.1, 0.02)
    drawn = [compared(world, rng) for _ in range(30)]
    pairs = 120 * 119 // 2 * 9
    for times in (1.0, 0.3):
        threshold = world.threshold + (0.0 if times == 1.0 else 0.4)
        reached = np.mean([(one.impostor_scores >= threshold).sum() for one in drawn]) / pairs
        assert reached == pytest.approx(world.fmr(threshold), rel=0.12)
    refused = np.mean([(one.genuine_scores < world.threshold).mean() for one in drawn])
    assert refused == pytest.approx(world.true_fnmr(world.threshold), rel=0.12)
    assert all((np.diff(one.impostor_scores) <= 0).all() for one in drawn)


def test_a_split_without_the_thresholds_uncertainty_misses_the_target_and_folds_cover_it() -> None:
    rows = found(SMALL, 60, 7)
    split, folds = rows["split", "fmr", None], rows["folds", "fmr", None]
    assert split.plain < 0.93 <= split.with_threshold
    assert folds.with_threshold >= 0.95
    assert folds.at_use >= 0.9  # a proportion of 60 worlds
    assert folds.width < 0.6 * split.width
    assert folds.errors > 3 * split.errors  # four times the pairs
    assert rows["folds", "fnmr", None].with_threshold >= rows["folds", "fnmr", None].plain


@pytest.mark.campaign
@pytest.mark.parametrize("target", [0.01, 0.001])
@pytest.mark.parametrize("people", [40, 100, 200])
def test_the_interval_of_the_overall_fmr_covers_its_target(people: int, target: float) -> None:
    rows = found(World((people // 2, people // 2), 4, 0.1, target), 2_000, people)
    for method in ("split", "folds"):
        for metric in ("fmr", "fnmr"):
            for of in (None, 1):
                assert rows[method, metric, of].with_threshold >= 0.93 - 0.006, (method, metric, of)
