"""Errors of 1:N search: CMC, FNIR, FPIR, and the effect of gallery composition on false positives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class SearchErrors:
    """Which searches have errors, for counts by group and subject.

    Attributes
    ----------
    missed
        bool [mated searches], errors of FNIR.
    false_positive
        bool [non-mated searches], errors of FPIR.
    """

    missed: BoolArray
    false_positive: BoolArray


def mate_ranks(scores: ArrayLike, is_mate: ArrayLike) -> IntArray:
    """Rank of the best mate among the candidates of each search, from 1; 0 if no mate is listed.

    Parameters
    ----------
    scores
        float64 [searches, R], candidates in any order; NaN is an empty position.
    is_mate
        bool [searches, R].

    Returns
    -------
    IntArray
        int64 [searches]. Ties are resolved against the system: every other candidate with the mate's score ranks before
        it. A tie at the end of the list may continue beyond it, which is not visible here.

    Examples
    --------
    >>> mate_ranks([[0.9, 0.7], [0.6, 0.8]], [[True, False], [True, False]])
    array([1, 2])
    """
    score, mate = _candidates(scores, is_mate)
    best = np.where(mate, score, -np.inf).max(axis=1, initial=-np.inf)
    before = (~mate & (score >= best[:, None])).sum(axis=1)
    return np.where(np.isneginf(best), 0, before + 1).astype(np.int64)


def cmc(ranks: ArrayLike, max_rank: int) -> tuple[IntArray, int]:
    """Cumulative hits at ranks 1..max_rank, int64 [max_rank], and number of mated searches; a rank of 0 is never a hit.

    Examples
    --------
    >>> cmc([1, 3, 0, 1], 3)
    (array([2, 2, 3]), 4)
    """
    given = np.asarray(ranks, dtype=np.int64)
    if max_rank < 1:
        raise StatisticsError(f"max_rank {max_rank} is below 1")
    inside = given[(given >= 1) & (given <= max_rank)]
    return np.cumsum(np.bincount(inside, minlength=max_rank + 1)[1:]), len(given)


def search_errors(
    scores: ArrayLike, is_mate: ArrayLike, is_mated_search: ArrayLike, *, threshold: float, max_rank: int
) -> SearchErrors:
    """Misses of mated searches and false positives of non-mated ones, at one threshold and candidate list length.

    FNIR(N, R, T): the mate is not among the first R candidates, or is below T. FPIR(N, T): any candidate is at or
    above T; the list must not have been truncated at a higher threshold.

    Parameters
    ----------
    scores
        float64 [searches, R]; NaN is an empty position. A probe without a template has an empty row: it misses its mate
        and raises no false positive.
    is_mated_search
        bool [searches], whether the person is in the gallery at all.

    Raises
    ------
    StatisticsError
        If max_rank exceeds the length of the lists.

    Examples
    --------
    >>> scores, is_mate = [[0.9], [0.4], [0.7]], [[True], [True], [False]]
    >>> found = search_errors(scores, is_mate, [True, True, False], threshold=0.5, max_rank=1)
    >>> found.missed, found.false_positive
    (array([False,  True]), array([ True]))
    """
    score, mate = _candidates(scores, is_mate)
    mated = np.asarray(is_mated_search, dtype=np.bool_)
    if not 1 <= max_rank <= score.shape[1]:
        raise StatisticsError(
            f"rank {max_rank} needs candidate lists of that length; they have {score.shape[1]} candidates"
        )
    rank = mate_ranks(score, mate)
    best = np.where(mate, score, -np.inf).max(axis=1, initial=-np.inf)
    missed = (rank == 0) | (rank > max_rank) | (best < threshold)
    positive = np.asarray((score >= threshold).any(axis=1))
    return SearchErrors(missed[mated], positive[~mated])


def gallery_fpir_bound(fmr: FloatArray, sizes: ArrayLike) -> FloatArray:
    """FPIR of probes of each group g under independence of comparisons: 1 - prod_h (1 - fmr[g, h])^sizes[h].

    Parameters
    ----------
    fmr
        float64 [G, H], false match rate of probes of g against gallery faces of h.
    sizes
        Gallery faces of each group, [H].

    Notes
    -----
    A bound for planning, not a measurement. Comparisons of one probe are not independent: a face that matches one
    impostor tends to match others, so the true FPIR is usually lower. It can be higher if the gallery contains
    several images of a person with different quality.

    Examples
    --------
    >>> import numpy as np
    >>> gallery_fpir_bound(np.array([[1e-4, 1e-6]]), [1000, 1000]).round(3)
    array([0.096])
    """
    exponents = np.asarray(sizes, dtype=np.float64) * np.log1p(-np.minimum(fmr, 1 - 1e-16))
    return np.asarray(-np.expm1(exponents.sum(axis=1)), dtype=np.float64)


def _candidates(scores: ArrayLike, is_mate: ArrayLike) -> tuple[FloatArray, AnyArray]:
    score, mate = np.asarray(scores, dtype=np.float64), np.asarray(is_mate, dtype=np.bool_)
    if score.ndim != 2 or score.shape != mate.shape:
        raise StatisticsError(
            f"scores {score.shape} and is_mate {mate.shape} must both have the shape [searches, candidates]"
        )
    empty = np.isnan(score)
    return np.where(empty, -np.inf, score), mate & ~empty
