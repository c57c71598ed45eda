"""Exact counts of the scores of pairs, and lists of single pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.errors import MatchingError
from facegap.types.arrays import AnyArray, FloatArray, IntArray
from facegap.types.row_tails import RowTails

PAIR_SCORE = np.dtype([("left", np.int64), ("right", np.int64), ("score", np.float64)])


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """Counts of all scores, for plots; the outer bins include scores beyond the outer edges.

    edges    : float64 [bins + 1], increasing; bin b counts edges[b] <= score < edges[b + 1]
    impostor : int64 [G, G, bins], upper triangle (g <= h), as in ScoreCounts
    genuine  : int64 [G, G, bins]
    sampled  : 0: every pair was counted. Otherwise impostor pairs below the floor of the exact list are distributed
               over the bins as in a sample of so many pairs (matching.range_sample); their sums, and bins above the
               floor, are exact
    """

    edges: FloatArray
    impostor: IntArray
    genuine: IntArray
    sampled: int = 0

    def __add__(self, other: ScoreHistogram) -> ScoreHistogram:
        """Return the counts of two disjoint sets of pairs."""
        if not np.array_equal(self.edges, other.edges):
            raise MatchingError("histograms with different edges cannot be added; use the same full_range for both")
        sums = self.impostor + other.impostor, self.genuine + other.genuine
        return ScoreHistogram(self.edges, *sums, self.sampled + other.sampled)


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """Exact counts of pairs of faces by score, per unordered pair of groups.

    A pair of rows is genuine (one subject), impostor (two subjects), unknown (a row without subject or without group)
    or excluded by the caller; unknown pairs are counted only in `unknown_pairs`, excluded ones not at all. Pairs of
    groups are in the upper triangle: [g, h] with g <= h counts both orders, [h, g] is 0.

    groups         : names in the order of the codes 0..G-1
    edges          : float64 [bins + 1], increasing from the floor to 1
    impostor       : int64 [G, G, bins]; bin b counts edges[b] <= score < edges[b + 1], the last also scores of 1 and more
    genuine        : int64 [G, G, bins], likewise; genuine pairs below the floor are in `genuine_scores` only
    impostor_pairs : int64 [G, G], impostor pairs of any score, so impostor_pairs - impostor.sum(-1) are below the floor
    genuine_pairs  : int64 [G, G], genuine pairs of any score; sums to len(genuine_scores)
    tail           : PAIR_SCORE, exactly the impostor pairs with score >= tail_floor, by decreasing score, then left,
                     then right. left < right are rows of the caller's table; in counts of a gallery against probes left
                     is a gallery row and right a probe row
    tail_floor     : edges[0] if at most `tail_limit` impostor pairs reach it. Otherwise the list keeps the highest
                     pairs, pairs with equal scores are kept or removed together, and the floor is the next float64
                     above the highest score removed; inclusive in both cases
    tail_limit     : len(tail) <= tail_limit
    genuine_scores : PAIR_SCORE, every genuine pair, by left, then right
    unknown_pairs  : pairs excluded because a subject or a group is unknown
    full_range     : counts over all scores, or None if not requested
    row_tails      : impostor pairs of each row at or above some of `edges`, or None if not requested

    FMR is exact at any threshold >= tail_floor, from `tail`; between edges[0] and tail_floor only at the edges; below
    edges[0] it is not available. The sums by subject for the variance of an FMR are from `tail` and, at their edges, from
    `row_tails`. FNMR is exact at any threshold, from `genuine_scores`.
    """

    groups: tuple[str, ...]
    edges: FloatArray
    impostor: IntArray
    genuine: IntArray
    impostor_pairs: IntArray
    genuine_pairs: IntArray
    tail: AnyArray
    tail_floor: float
    tail_limit: int
    genuine_scores: AnyArray
    unknown_pairs: int = 0
    full_range: ScoreHistogram | None = None
    row_tails: RowTails | None = None

    def __add__(self, other: ScoreCounts) -> ScoreCounts:
        """Return the counts of two disjoint sets of pairs of one table; exactly associative and commutative.

        Raises
        ------
        MatchingError : if groups, edges or tail limits differ, or only one has a full range or row tails
        """
        if self.groups != other.groups or not np.array_equal(self.edges, other.edges):
            raise MatchingError("counts with different groups or edges cannot be added; use the same settings for both")
        if self.tail_limit != other.tail_limit or (self.full_range is None) != (other.full_range is None):
            raise MatchingError("counts with different tail_limit or full_range cannot be added")
        if (self.row_tails is None) != (other.row_tails is None):
            raise MatchingError("counts with and without row_tails cannot be added; use the same row_edges for both")
        # Below the higher of the two floors, one of the lists is incomplete.
        floor = max(self.tail_floor, other.tail_floor)
        parts = [part for part in (counts.tail[counts.tail["score"] >= floor] for counts in (self, other)) if len(part)]
        tail, floor = cut_tail(np.concatenate([self.tail[:0], *parts]), floor, self.tail_limit)
        return ScoreCounts(
            groups=self.groups,
            edges=self.edges,
            impostor=self.impostor + other.impostor,
            genuine=self.genuine + other.genuine,
            impostor_pairs=self.impostor_pairs + other.impostor_pairs,
            genuine_pairs=self.genuine_pairs + other.genuine_pairs,
            tail=sorted_by_score(tail) if len(parts) == 2 else tail,
            tail_floor=floor,
            tail_limit=self.tail_limit,
            genuine_scores=sorted_by_rows(np.concatenate([self.genuine_scores, other.genuine_scores])),
            unknown_pairs=self.unknown_pairs + other.unknown_pairs,
            full_range=self.full_range + other.full_range if self.full_range and other.full_range else None,
            row_tails=self.row_tails + other.row_tails if self.row_tails and other.row_tails else None,
        )


def cut_tail(pairs: AnyArray, floor: float, limit: int) -> tuple[AnyArray, float]:
    """The highest of `pairs`, at most `limit` and without splitting ties, in the given order; and their floor.

    The floor is inclusive: exactly the pairs with score >= floor are kept. If nothing is removed it is `floor` itself.
    """
    if len(pairs) <= limit:
        return pairs, floor
    highest_cut = np.partition(pairs["score"], len(pairs) - limit - 1)[len(pairs) - limit - 1]
    return pairs[pairs["score"] > highest_cut], float(np.nextafter(highest_cut, np.inf))


def sorted_by_score(pairs: AnyArray) -> AnyArray:
    """PAIR_SCORE rows by decreasing score, then left, then right."""
    # Few scores are equal: sorting all by one key and only the ties by three takes a tenth of the time of lexsort.
    order = np.argsort(-pairs["score"])
    score = pairs["score"][order]
    equal = np.flatnonzero(score[1:] == score[:-1])
    ties = np.union1d(equal, equal + 1)
    tied = pairs[order[ties]]
    order[ties] = order[ties][np.lexsort((tied["right"], tied["left"], -tied["score"]))]
    return pairs[order]


def sorted_by_rows(pairs: AnyArray) -> AnyArray:
    """PAIR_SCORE rows by left, then right."""
    return pairs[np.lexsort((pairs["right"], pairs["left"]))]
