"""Addition of score counts: the bounded tail equals that of one run, in any order of the sums."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.types import PAIR_SCORE, AnyArray, ScoreCounts, ScoreHistogram, cut_tail, sorted_by_score


def pairs_of(scores: list[float], first: int = 0) -> AnyArray:
    return np.array([(first + k, 1000 + first + k, score) for k, score in enumerate(scores)], PAIR_SCORE)


def counts_of(pairs: AnyArray, limit: int) -> ScoreCounts:
    """Counts of only these impostor pairs, as from a run over them."""
    tail, floor = cut_tail(pairs, 0.0, limit)
    one = np.array([[len(pairs)]])
    return ScoreCounts(
        groups=("all",),
        edges=np.array([0.0, 1.0]),
        impostor=one[..., None],
        genuine=one[..., None] * 0,
        impostor_pairs=one,
        genuine_pairs=one * 0,
        tail=sorted_by_score(tail),
        tail_floor=floor,
        tail_limit=limit,
        genuine_scores=np.empty(0, PAIR_SCORE),
    )


def test_a_tail_that_overflows_loses_whole_ties_and_says_how_far_it_reaches() -> None:
    tail, floor = cut_tail(pairs_of([0.9, 0.5, 0.7, 0.7, 0.3]), 0.1, 2)
    assert tail["score"].tolist() == [0.9]  # both .7 are removed, as only one of them would fit
    assert floor == np.nextafter(0.7, 1)
    tail, floor = cut_tail(pairs_of([0.9, 0.5]), 0.1, 2)
    assert (tail["score"].tolist(), floor) == ([0.9, 0.5], 0.1)


@given(
    scores=st.lists(st.sampled_from([k / 8 for k in range(9)]), max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    limit=st.integers(0, 20),
    order=st.randoms(use_true_random=False),
)
def test_the_sum_of_parts_is_the_whole_in_any_order_and_grouping(
    scores: list[float], cuts: list[int], limit: int, order: object
) -> None:
    whole = counts_of(pairs_of(scores), limit)
    parts = [counts_of(part, limit) for part in np.split(pairs_of(scores), sorted(min(c, len(scores)) for c in cuts))]
    order.shuffle(parts)  # type: ignore[attr-defined]
    for total in (reduce(add, parts), reduce(lambda a, b: b + a, parts)):
        assert total.tail_floor == whole.tail_floor
        np.testing.assert_array_equal(total.tail, whole.tail)
        np.testing.assert_array_equal(total.impostor, whole.impostor)


def test_counts_of_other_settings_cannot_be_added() -> None:
    counts = counts_of(pairs_of([0.5]), 3)
    full = ScoreHistogram(np.array([-1.0, 1.0]), counts.impostor, counts.genuine)
    for other in (
        replace(counts, groups=("x",)),
        replace(counts, edges=counts.edges / 2),
        replace(counts, tail_limit=4),
        replace(counts, full_range=full),
    ):
        with pytest.raises(MatchingError, match="cannot be added"):
            counts + other
    other_edges = replace(full, edges=np.array([-1.0, 2.0]))
    with pytest.raises(MatchingError, match="edges"):
        replace(counts, full_range=full) + replace(counts, full_range=other_edges)
