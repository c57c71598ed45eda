"""Scores of a pair list follow the definition bit for bit, however the rows are stored in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching import score_pairs


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_the_order_of_additions_is_the_documented_one(kernels: Any) -> None:
    # In index order 1e16 + 1 - 1e16 + 1 would be 1; with 16 lanes 1e16 and -1e16 are added first (lanes 0 and 8), leaving 2.
    row = np.zeros((1, 16), np.float32)
    row[0, [0, 1, 8, 9]] = np.sqrt(1e16), 1, np.sqrt(1e16), 1
    other = row.copy()
    other[0, 8] *= -1
    both = np.concatenate([row, other])
    assert score_pairs(both, np.array([0]), np.array([1]), kernels=kernels).tolist() == [2.0]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 100), n=st.integers(0, 40), workers=st.integers(1, 3))
def test_scores_of_any_list_are_those_of_the_definition_and_symmetric(
    tools: Any, seed: int, depth: int, n: int, workers: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((13, depth)).astype(np.float32)
    left, right = rng.integers(0, 13, n), rng.integers(0, 13, n)
    expected = tools.oracle_scores(rows, rows)[left, right]
    for kernels in ("numba", "numpy"):
        found = score_pairs(rows, left, right, kernels=kernels, workers=workers)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(score_pairs(rows, right, left, kernels=kernels), expected)
    # Independent reference: numpy's float64 product, which adds in another order.
    np.testing.assert_allclose(expected, (rows.astype(float) @ rows.T.astype(float))[left, right], atol=1e-12)


def test_mapped_strided_and_unaligned_rows_score_alike(rng: np.random.Generator, tools: Any, tmp_path: Path) -> None:
    rows = tools.made_faces(rng, 40, 32)[0]
    left, right = rng.integers(0, 40, 99), rng.integers(0, 40, 99)
    expected = score_pairs(rows, left, right)
    np.save(tmp_path / "rows.npy", rows)
    unaligned = np.frombuffer(b"x" + rows.tobytes(), np.uint8)[1:].view(np.float32).reshape(rows.shape)
    for same in (np.load(tmp_path / "rows.npy", mmap_mode="r"), np.asfortranarray(rows), unaligned):
        np.testing.assert_array_equal(score_pairs(same, left, right), expected)


def test_probes_are_the_right_side_where_they_are_given(rng: np.random.Generator, tools: Any) -> None:
    rows, probes = tools.made_faces(rng, 20, 24)[0], tools.made_faces(rng, 8, 24)[0]
    found = score_pairs(rows, np.array([19, 3]), np.array([7, 0]), probes=probes)
    np.testing.assert_array_equal(found, tools.oracle_scores(rows, probes)[[19, 3], [7, 0]])


def test_an_unfit_row_is_refused_only_where_it_is_asked_for() -> None:
    rows = np.eye(6, dtype=np.float32)
    rows[2], rows[4, 1] = 0, np.nan
    # Rows 0 and 1 are orthogonal: a score of 0 between fit rows is valid.
    assert score_pairs(rows, np.array([0, 0]), np.array([1, 0])).tolist() == [0.0, 1.0]
    for row, fault in ((2, "row 2 is zero"), (4, "row 4 is not finite")):
        with pytest.raises(MatchingError, match=fault):
            score_pairs(rows, np.array([0, 1]), np.array([5, row]))


@pytest.mark.parametrize(
    ("left", "right", "fault"),
    [
        ([0, 1], [2], "2 left rows and 1 right"),
        ([0, 9], [1, 1], "left: entry 1 is 9"),
        ([0], [-1], "right: entry 0 is -1"),
        ([0.5], [1], "whole numbers"),
        ([[0]], [[1]], "list"),
    ],
)
def test_a_list_that_is_none_is_refused(left: Any, right: Any, fault: str) -> None:
    with pytest.raises(MatchingError, match=fault):
        score_pairs(np.ones((3, 4), np.float32), np.array(left), np.array(right))


def test_rows_of_another_type_or_depth_are_refused() -> None:
    rows = np.ones((3, 4), np.float32)
    for wrong in (rows.astype(np.float64), rows[0], rows.astype(">f4")):
        with pytest.raises(MatchingError, match="float32 matrix"):
            score_pairs(wrong, np.array([0]), np.array([0]))
    with pytest.raises(MatchingError, match="one model"):
        score_pairs(rows, np.array([0]), np.array([0]), probes=rows[:, :2])
