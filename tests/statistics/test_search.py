"""1:N search: ranks against the system on ties, CMC, FNIR, FPIR, gallery bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics import cmc, gallery_fpir_bound, mate_ranks, search_errors

SCORES = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.8], [0.5, 0.4, np.nan], [0.6, 0.6, 0.6]])
MATES = np.array([[False, True, False], [False, True, False], [False, False, False], [True, False, False]])


def test_a_tie_is_broken_against_the_system():
    assert mate_ranks(SCORES, MATES).tolist() == [2, 3, 0, 3]


def test_cmc_counts_hits_up_to_each_rank_and_never_a_missing_mate():
    hits, searches = cmc(mate_ranks(SCORES, MATES), 3)
    assert (hits.tolist(), searches) == ([0, 1, 3], 4)


def test_a_mate_under_the_threshold_or_past_the_rank_is_missed():
    mated = np.array([True, True, False, True])
    found = search_errors(SCORES, MATES, mated, threshold=0.75, max_rank=2)
    assert found.missed.tolist() == [False, True, True]
    assert found.false_positive.tolist() == [False]
    found = search_errors(SCORES, MATES, mated, threshold=0.5, max_rank=3)
    assert found.missed.tolist() == [False, False, False]
    assert found.false_positive.tolist() == [True]  # .5 is at the threshold


def test_a_probe_without_a_template_misses_its_mate_and_alarms_nobody():
    empty = np.full((2, 2), np.nan)
    found = search_errors(empty, np.zeros((2, 2), bool), np.array([True, False]), threshold=-9, max_rank=1)
    assert (found.missed.tolist(), found.false_positive.tolist()) == ([True], [False])


def test_searches_without_candidates_have_rank_zero():
    assert mate_ranks(np.empty((2, 0)), np.empty((2, 0), bool)).tolist() == [0, 0]


@pytest.mark.parametrize(("rank", "said"), [(0, "rank 0"), (4, "rank 4")])
def test_a_rank_outside_the_lists_is_refused(rank, said):
    with pytest.raises(StatisticsError, match=said):
        search_errors(SCORES, MATES, np.ones(4, bool), threshold=0.5, max_rank=rank)
    with pytest.raises(StatisticsError, match="below 1"):
        cmc([1], 0)


def test_lists_of_another_shape_are_refused():
    with pytest.raises(StatisticsError, match="must both have the shape"):
        mate_ranks(SCORES, MATES[:, :2])


def test_gallery_bound_worked_by_hand():
    assert gallery_fpir_bound(np.array([[0.1, 0.01]]), [2, 3])[0] == pytest.approx(1 - 0.9**2 * 0.99**3)
    assert gallery_fpir_bound(np.array([[1e-9, 0.0]]), [1000, 1000])[0] == pytest.approx(1e-6, rel=1e-3)
    assert gallery_fpir_bound(np.array([[1.0]]), [1])[0] == pytest.approx(1)


@given(st.integers(0, 2**32 - 1))
def test_a_higher_threshold_misses_more_and_alarms_less(seed):
    rng = np.random.default_rng(seed)
    scores, mate = rng.integers(0, 5, (30, 4)).astype(float), np.zeros((30, 4), bool)
    mate[:, 0] = rng.random(30) < 0.7
    mated = rng.random(30) < 0.6
    counts = [search_errors(scores, mate & mated[:, None], mated, threshold=t, max_rank=2) for t in (1.0, 3.0)]
    assert counts[0].missed.sum() <= counts[1].missed.sum()
    assert counts[0].false_positive.sum() >= counts[1].false_positive.sum()
