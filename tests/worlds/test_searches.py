"""Simulated searches compared with searches in which every score is simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from facegap.statistics import search_errors
from facegap.worlds.searches import (
    SearchSetting,
    candidates,
    draw_gallery,
    draw_searches,
    planted_threshold,
    search_coverage,
    true_fnir,
    true_fpir,
)

SETTING = SearchSetting(gallery=60, people=50, images=2, fpir=0.2, fnir=0.2, rank=1, strength=0.2)


def every_score(setting, gallery, threshold, searches, rng):
    """Misses and false alarms of searches of one gallery in which every score is simulated."""
    probe = rng.standard_normal(searches)
    noise = rng.standard_normal((searches, setting.gallery)) * np.sqrt(1 - 2 * setting.strength)
    scores = np.sqrt(setting.strength) * (probe[:, None] + gallery.effects) + noise
    mates = threshold - ndtri(setting.fnir) + rng.standard_normal(searches)
    lists = np.column_stack([scores, mates])
    is_mate = np.zeros(lists.shape, bool)
    is_mate[:, -1] = True
    missed = search_errors(lists, is_mate, np.ones(searches, bool), threshold=threshold, max_rank=setting.rank).missed
    return missed.mean(), (scores >= threshold).any(axis=1).mean()


@pytest.mark.parametrize("rank", [1, 2])
def test_the_truth_agrees_with_searches_in_which_every_score_is_simulated(rank):
    setting = SearchSetting(60, 50, 2, 0.2, 0.2, rank, 0.2)
    rng, threshold = np.random.default_rng(0), planted_threshold(setting)
    gallery = draw_gallery(setting, rng)
    missed, alarms = every_score(setting, gallery, threshold, 60_000, rng)
    assert true_fpir(setting, gallery, threshold) == pytest.approx(alarms, abs=0.006)
    assert true_fnir(setting, gallery, threshold) == pytest.approx(missed, abs=0.006)


def test_simulated_searches_have_the_true_error_rates():
    rng, threshold = np.random.default_rng(1), planted_threshold(SETTING)
    gallery = draw_gallery(SETTING, rng)
    alarms, missed = draw_searches(SETTING, gallery, threshold, 300, rng)
    assert alarms.trials[0] == missed.trials[0] == 100
    assert alarms.subjects[0] == missed.subjects[0] == 50
    assert alarms.value.mean() == pytest.approx(true_fpir(SETTING, gallery, threshold), abs=0.012)
    assert missed.value.mean() == pytest.approx(true_fnir(SETTING, gallery, threshold), abs=0.012)


def test_the_threshold_gives_the_planted_fpir_over_galleries():
    rng, threshold = np.random.default_rng(2), planted_threshold(SETTING)
    truths = [true_fpir(SETTING, draw_gallery(SETTING, rng), threshold) for _ in range(120)]
    assert np.mean(truths) == pytest.approx(SETTING.fpir, abs=0.008)


def test_candidate_lists_have_non_mates_at_or_above_the_threshold_and_one_mate():
    rng, threshold = np.random.default_rng(3), planted_threshold(SETTING)
    gallery, mated = draw_gallery(SETTING, rng), np.arange(200) % 2 == 0
    scores, is_mate = candidates(SETTING, gallery, threshold, rng.standard_normal(200), np.arange(200), mated, rng)
    strangers = scores[~is_mate]
    assert (strangers[~np.isnan(strangers)] >= threshold).all()
    assert (is_mate.sum(axis=1) == mated).all()


def test_coverage_of_searches_is_near_the_level():
    found = search_coverage(SearchSetting(200, 60, 2, 0.1, 0.1, 1, 0.1), 200, 0)
    assert 0.92 <= found.fpir <= 0.99
    assert 0.92 <= found.fnir <= 0.99
