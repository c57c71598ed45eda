"""Rates from ScoreCounts: the same as from all scores, or an error that says what to count again."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from facegap.errors import StatisticsError
from facegap.statistics import (
    dyadic_fmr,
    error_pairs,
    false_matches,
    false_non_matches,
    threshold_at_fmr,
    threshold_from_counts,
)
from facegap.types import PAIR_SCORE, ScoreCounts, cut_tail, sorted_by_rows, sorted_by_score

ROWS, GROUPS = 60, 3


@pytest.fixture(scope="module")
def scored():
    """Every pair of 60 rows with a coarse score: (rows' groups, rows' subjects, PAIR_SCORE rows, genuine or not)."""
    rng = np.random.default_rng(2)
    subjects = np.arange(ROWS) // 2
    groups = subjects % GROUPS
    pairs = np.array([(i, j, round(float(rng.uniform(0, 1)), 2)) for i, j in combinations(range(ROWS), 2)], PAIR_SCORE)
    return groups, subjects, pairs, subjects[pairs["left"]] == subjects[pairs["right"]]


def counted(scored, *, floor=0.0, tail_limit=10_000):
    """ScoreCounts by the plainest code there is."""
    groups, _, pairs, genuine = scored
    edges = np.linspace(floor, 1, 9)
    shape = (GROUPS, GROUPS)
    binned = {kind: np.zeros((*shape, 8), np.int64) for kind in (True, False)}
    totals = {kind: np.zeros(shape, np.int64) for kind in (True, False)}
    for pair, kind in zip(pairs, genuine, strict=True):
        a, b = sorted((groups[pair["left"]], groups[pair["right"]]))
        totals[bool(kind)][a, b] += 1
        if pair["score"] >= floor:
            found = min(int(np.searchsorted(edges, pair["score"], side="right")) - 1, 7)
            binned[bool(kind)][a, b, found] += 1
    tail, tail_floor = cut_tail(pairs[~genuine & (pairs["score"] >= floor)], floor, tail_limit)
    return ScoreCounts(
        groups=("a", "b", "c"),
        edges=edges,
        impostor=binned[False],
        genuine=binned[True],
        impostor_pairs=totals[False],
        genuine_pairs=totals[True],
        tail=sorted_by_score(tail),
        tail_floor=tail_floor,
        tail_limit=tail_limit,
        genuine_scores=sorted_by_rows(pairs[genuine]),
    )


def brute(scored, chosen):
    groups, _, pairs, _ = scored
    found = np.zeros((GROUPS, GROUPS), int)
    for pair in pairs[chosen]:
        a, b = sorted((groups[pair["left"]], groups[pair["right"]]))
        found[a, b] += 1
    return found


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.31, 0.75, 0.99, 1.5])
def test_both_errors_are_those_of_all_scores(scored, threshold):
    groups, _, pairs, genuine = scored
    counts = counted(scored)
    wrong = false_matches(counts, threshold, groups)
    assert wrong.errors.tolist() == brute(scored, ~genuine & (pairs["score"] >= threshold)).tolist()
    assert wrong.trials.sum() == (~genuine).sum()
    missed = false_non_matches(counts, threshold, groups)
    assert missed.errors.tolist() == brute(scored, genuine & (pairs["score"] < threshold)).tolist()


def test_at_a_bin_edge_no_rows_are_needed_even_below_the_list(scored):
    _, _, pairs, genuine = scored
    counts = counted(scored, tail_limit=50)
    assert counts.tail_floor > 0.5
    assert false_matches(counts, 0.5).errors.tolist() == brute(scored, ~genuine & (pairs["score"] >= 0.5)).tolist()


def test_off_an_edge_below_the_list_it_says_which_limit_would_reach(scored):
    counts = counted(scored, tail_limit=50)
    needed = int(counts.impostor[:, :, 4:].sum())
    with pytest.raises(StatisticsError, match=f"tail_limit at least {needed}, or take the bin edge 0.5"):
        false_matches(counts, 0.55, scored[0])
    longer = counted(scored, tail_limit=needed)
    assert false_matches(longer, 0.55, scored[0]).errors.sum() > 50


def test_below_the_histogram_a_lower_start_is_asked_for(scored):
    with pytest.raises(StatisticsError, match="starts lower"):
        false_matches(counted(scored, floor=0.4), 0.2, scored[0])


def test_the_last_edge_is_counted_from_the_list_as_its_bin_is_closed(scored):
    _, _, pairs, genuine = scored
    counts = counted(scored)
    assert false_matches(counts, 1.0, scored[0]).errors.sum() == (~genuine & (pairs["score"] >= 1)).sum()
    with pytest.raises(StatisticsError, match="row_groups"):
        false_matches(counts, 1.0)


@pytest.mark.parametrize("target", [0.0, 0.001, 0.0123, 0.02])
def test_the_threshold_is_that_of_all_impostor_scores(scored, target):
    _, _, pairs, genuine = scored
    expected = threshold_at_fmr(pairs["score"][~genuine], target)
    assert threshold_from_counts(counted(scored, tail_limit=200), target) == expected


def test_the_threshold_on_one_group_uses_its_pairs_alone(scored):
    groups, _, pairs, genuine = scored
    inside = ~genuine & (groups[pairs["left"]] == 1) & (groups[pairs["right"]] == 1)
    expected = threshold_at_fmr(pairs["score"][inside], 0.05)
    assert threshold_from_counts(counted(scored), 0.05, on="b", row_groups=groups) == expected
    with pytest.raises(StatisticsError, match="row_groups"):
        threshold_from_counts(counted(scored), 0.05, on="b")
    with pytest.raises(StatisticsError, match="no group 'z'"):
        threshold_from_counts(counted(scored), 0.05, on="z", row_groups=groups)


def test_a_target_past_the_list_says_how_long_it_must_be(scored):
    with pytest.raises(StatisticsError, match="tail_limit at least"):
        threshold_from_counts(counted(scored, tail_limit=50), 0.1)


def test_a_target_that_ends_with_the_list_is_still_exact(scored):
    _, _, pairs, genuine = scored
    counts = counted(scored, tail_limit=50)
    total = int((~genuine).sum())
    target = len(counts.tail) / total
    assert threshold_from_counts(counts, target) == threshold_at_fmr(pairs["score"][~genuine], target)


def test_error_pairs_are_the_subjects_of_each_false_match_in_the_order_of_the_groups(scored):
    groups, subjects, pairs, genuine = scored
    counts = counted(scored)
    found = error_pairs(counts, 0.9, "c", "a", row_groups=groups, row_subjects=subjects)
    wrong = pairs[~genuine & (pairs["score"] >= 0.9)]
    expected = []
    for pair in wrong:
        ends = (pair["left"], pair["right"])
        if sorted(groups[list(ends)]) == [0, 2]:
            expected.append(tuple(subjects[sorted(ends, key=lambda row: -groups[row])]))
    assert sorted(zip(found.left, found.right, strict=True)) == sorted(expected)


def test_error_pairs_within_a_group_lead_to_its_rate(scored):
    groups, subjects, _, _ = scored
    counts = counted(scored)
    found = error_pairs(counts, 0.9, "b", "b", row_groups=groups, row_subjects=subjects)
    images = np.bincount(subjects[groups == 1], minlength=ROWS // 2)
    rate = dyadic_fmr(found.left, found.right, np.ones(len(found.left), int), images=images)
    matrix = false_matches(counts, 0.9, groups)
    assert (rate.errors, rate.trials) == (matrix.errors[1, 1], matrix.trials[1, 1])


def test_error_pairs_below_the_list_are_refused_even_at_an_edge(scored):
    counts = counted(scored, tail_limit=50)
    with pytest.raises(StatisticsError, match="tail_limit at least"):
        error_pairs(counts, 0.5, "a", "b", row_groups=scored[0], row_subjects=scored[1])
