"""How many impostor pairs each row is in: the integers of brute force, however the work is cut, merged and interrupted."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching import Probes, count_scores, counts
from facegap.types import IntArray, RowTails, row_tails


def reached_by_hand(
    tools: Any, rows: Any, subjects: Any, groups: Any, exclude: Any, edge: float, group_count: int
) -> IntArray:
    """Impostor pairs of each row with each group from a score on, int64 [rows, groups], pair by pair."""
    scores = tools.oracle_scores(rows, rows)
    dropped = {tuple(sorted(pair)) for pair in exclude.tolist()}
    found = np.zeros((len(rows), group_count), np.int64)
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            known = min(subjects[i], subjects[j], groups[i], groups[j]) >= 0
            if known and subjects[i] != subjects[j] and scores[i, j] >= edge and (i, j) not in dropped:
                found[i, groups[j]] += 1
                found[j, groups[i]] += 1
    return found


def test_four_faces_are_counted_as_by_hand() -> None:
    """Scores 1 within the first two people, 0.6 and 0.8 of each with the third; the fourth image is the third's again."""
    rows = np.array([[1, 0], [1, 0], [0.6, 0.8], [0.6, 0.8]], np.float32)
    found = count_scores(
        rows, np.array([0, 1, 2, 2]), np.array([0, 0, 1, 1]), floor=0.0, bins=10, tail_limit=0, row_edges=[5, 7]
    ).row_tails
    assert found is not None
    np.testing.assert_allclose(found.edges, [0.5, 0.7])
    assert found.reaching(0).tolist() == [[1, 2], [1, 2], [2, 0], [2, 0]]
    assert found.reaching(1).tolist() == [[1, 0], [1, 0], [0, 0], [0, 0]]


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    size=st.integers(8, 40),
    part=st.sampled_from([7, 32, 1000]),
    shards=st.integers(1, 4),
    workers=st.integers(1, 2),
    kernels=st.sampled_from(["numba", "numpy"]),
)
def test_rows_are_counted_as_by_brute_force_in_shards_merged_in_any_order(
    tools: Any, seed: int, n: int, size: int, part: int, shards: int, workers: int, kernels: Any
) -> None:
    rng = np.random.default_rng(seed)
    rows, subjects, groups = tools.made_faces(rng, n, 20)
    rows[rng.integers(0, n, n // 4)] = rows[0]
    subjects[rng.integers(0, n, n // 9)] = -1
    exclude = rng.integers(0, n, (9, 2))
    options: dict[str, Any] = {"floor": 0.1, "bins": 9, "tail_limit": 5, "names": "abc", "exclude": exclude}
    options |= {"row_edges": [0, 2, 5], "workers": workers, "kernels": kernels, "filter": "float32"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "super_rows", lambda depth: size)
        patch.setattr(row_tails, "PART_ROWS", part)
        found = [count_scores(rows, subjects, groups, **options, shard=(k, shards)) for k in range(shards)]
        whole = reduce(add, (found[k] for k in rng.permutation(shards)))
        assert whole.row_tails is not None
        for bin, edge in enumerate(options["row_edges"]):
            by_hand = reached_by_hand(tools, rows, subjects, groups, exclude, whole.edges[edge], 3)
            np.testing.assert_array_equal(whole.row_tails.reaching(bin), by_hand)
            # Each pair is in two rows.
            assert by_hand.sum() == 2 * whole.impostor[:, :, edge:].sum()


def test_rows_change_nothing_else(rng: np.random.Generator, tools: Any) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 300, 48)
    options: dict[str, Any] = {"floor": 0.2, "bins": 50, "tail_limit": 90, "names": "abc"}
    plain = count_scores(rows, subjects, groups, **options)
    assert plain.row_tails is None
    found = count_scores(rows, subjects, groups, **options, row_edges=[3])
    assert found.row_tails is not None
    tools.assert_same_counts(replace(found, row_tails=None), plain)


def test_memory_does_not_grow_with_the_pairs_that_are_counted(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both runs count more pairs than the exact list may hold before it is cut; the second more than twice as many."""
    rows = rng.normal(size=(1200, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    monkeypatch.setattr(counts, "super_rows", lambda depth: 128)
    options: dict[str, Any] = {"bins": 64, "tail_limit": 1000, "row_edges": range(8), "filter": "float32"}
    options |= {"subjects": np.arange(1200), "groups": np.zeros(1200, int)}
    count_scores(rows[:50], np.arange(50), np.zeros(50, int), floor=0, bins=9, tail_limit=9, row_edges=[0])  # compiles
    peaks, pairs = [], []
    for floor in (0.1, -1.0):
        tracemalloc.start()
        pairs.append(int(count_scores(rows, floor=floor, **options).impostor.sum()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert pairs[1] == 1200 * 1199 // 2 > 2 * pairs[0] > 4 * 65_536
    assert peaks[1] < peaks[0] + 3 * 2**20  # the last part of the list before a cut
    assert 24 * (pairs[1] - pairs[0]) > 10 * 2**20  # what a list of all pairs would add


def test_rows_of_other_tables_or_edges_cannot_be_added() -> None:
    one = RowTails(np.array([0.5]), 4, 1, {})
    for other in (
        RowTails(np.array([0.6]), 4, 1, {}),
        RowTails(np.array([0.5]), 5, 1, {}),
        RowTails(np.array([0.5]), 4, 2, {}),
    ):
        with pytest.raises(MatchingError, match="cannot be added"):
            one + other


@pytest.mark.parametrize("row_edges", [[], [2, 2], [3, 1], [-1], [4], [0.5]])
def test_edges_that_are_none_are_refused(row_edges: Any) -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(MatchingError, match="row_edges"):
        count_scores(rows, np.arange(3), np.zeros(3, int), floor=0, bins=4, tail_limit=1, row_edges=row_edges)


def test_two_tables_have_no_rows_of_their_own() -> None:
    rows = np.eye(3, dtype=np.float32)
    probes = Probes(rows, np.arange(3), np.zeros(3, int))
    with pytest.raises(MatchingError, match="one table"):
        count_scores(rows, np.arange(3), np.zeros(3, int), floor=0, bins=4, tail_limit=1, row_edges=[0], probes=probes)
