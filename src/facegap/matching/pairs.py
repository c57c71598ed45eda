"""Scores of a list of pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.matching.kernels import KernelChoice, Kernels, choose_kernels
from facegap.matching.rows import LANES, Float32Array, gather, refuse_unfit_among, require_matrix, super_rows
from facegap.matching.tiles import parts_of, share
from facegap.types import FloatArray, IntArray

PAIRS_AT_ONCE = 1 << 14  # per task of a worker


def score_pairs(
    embeddings: Float32Array,
    left: IntArray,
    right: IntArray,
    *,
    probes: Float32Array | None = None,
    workers: int = 1,
    kernels: KernelChoice = "auto",
) -> FloatArray:
    """Score of each pair of rows: their float64 dot product, summed in the order defined in kernels.py, float64 (n,).

    embeddings  : float32 (rows, depth), may be memory-mapped; normalise them first, otherwise the score is not a cosine
    left, right : whole numbers (n,), rows of `embeddings`; `right` refers to `probes` if they are given

    Raises
    ------
    MatchingError : if rows are unfit (zero, not finite), the lists have different lengths, or a row does not exist
    """
    others = embeddings if probes is None else probes
    require_matrix(embeddings, "embeddings")
    require_matrix(others, "probes")
    require_one_depth(embeddings, others)
    left, right = row_numbers(left, len(embeddings), "left"), row_numbers(right, len(others), "right")
    if len(left) != len(right):
        raise MatchingError(f"{len(left)} left rows and {len(right)} right rows cannot form a list of pairs")
    scores = scores_of_pairs(choose_kernels(kernels), embeddings, others, left, right, workers=workers)
    # Checking every row beforehand would take as long as the scores. An unfit row shows in its scores: not finite, or 0.
    suspect = np.flatnonzero(~np.isfinite(scores) | (scores == 0))
    refuse_unfit_among(embeddings, np.unique(left[suspect]), "embeddings")
    refuse_unfit_among(others, np.unique(right[suspect]), "embeddings" if probes is None else "probes")
    return scores


def row_numbers(values: NDArray[np.generic], rows: int, name: str) -> IntArray:
    """`values` as int64 (n,), checked to be rows of a table. Raises MatchingError."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise MatchingError(f"{name}: need a list of whole numbers; got {array.dtype}, shape {array.shape}")
    array = array.astype(np.int64)
    outside = np.flatnonzero((array < 0) | (array >= rows))
    if len(outside):
        raise MatchingError(f"{name}: entry {outside[0]} is {array[outside[0]]}; the rows are 0 to {rows - 1}")
    return array


def require_one_depth(embeddings: Float32Array, probes: Float32Array) -> None:
    """Raise MatchingError if the depths of the two tables show that they are of different models."""
    if embeddings.shape[1] != probes.shape[1]:
        raise MatchingError(f"depth {embeddings.shape[1]} against {probes.shape[1]}: use one model for both tables")


def in_c_order(table: Float32Array) -> bool:
    """Whether the loops can read the rows without a copy."""
    return table.flags.c_contiguous and table.flags.aligned


def scores_of_pairs(
    kernels: Kernels,
    embeddings: Float32Array,
    others: Float32Array,
    left: IntArray,
    right: IntArray,
    *,
    workers: int = 1,
) -> FloatArray:
    """Like score_pairs, for rows that are known to be fit."""
    scores = np.empty(len(left))
    in_place = embeddings.shape[1] % LANES == 0 and all(in_c_order(x) for x in (embeddings, others))
    step = PAIRS_AT_ONCE if in_place else min(PAIRS_AT_ONCE, super_rows(embeddings.shape[1]) // 4)

    def score(part: slice) -> None:
        i, j = left[part], right[part]
        if in_place:
            tables = np.asarray(embeddings), np.asarray(others)
            kernels.score_listed(*tables, i.astype(np.int32), j.astype(np.int32), scores[part])
            return
        rows_left, rows_right = gather(embeddings, i), gather(others, j)
        place = np.arange(len(i), dtype=np.int32)
        kernels.score_listed(rows_left, rows_right, place, place, scores[part])

    share(parts_of(len(left), step), [score] * workers)
    return scores
