"""Rates, thresholds and error pairs from ScoreCounts: exact from its lists, refused where they do not reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.curves import ThresholdChoice, allowed_false_matches
from facegap.types import AnyArray, IntArray, ScoreCounts


@dataclass(frozen=True, eq=False)
class PairCounts:
    """errors of trials, per unordered pair of groups: int64 [G, G], upper triangle as in ScoreCounts."""

    errors: IntArray
    trials: IntArray


@dataclass(frozen=True, eq=False)
class ErrorPairs:
    """Subjects of the pairs in error between two groups, for `dyadic_fmr`: left of the first, right of the second."""

    left: IntArray
    right: IntArray


def false_matches(counts: ScoreCounts, threshold: float, row_groups: ArrayLike | None = None) -> PairCounts:
    """Impostor pairs with score >= threshold per pair of groups, of all impostor pairs.

    row_groups : int [rows], group code of each row of the caller's table; needed unless the threshold is a bin edge
    Raises     : StatisticsError under the floor of the tail list where the threshold is no bin edge, and below the
                 lowest edge; the message names what to count again
    """
    errors = _at_edge(counts, threshold)
    if errors is None:
        if threshold < counts.tail_floor:
            raise StatisticsError(_below_floor(counts, threshold, "FMR there is known at bin edges only"))
        if row_groups is None:
            raise StatisticsError(f"threshold {threshold:g} is no bin edge; give row_groups to count the tail list")
        errors = _by_group(counts, tail_above(counts, threshold), row_groups)
    return PairCounts(errors, counts.impostor_pairs.copy())


def false_non_matches(counts: ScoreCounts, threshold: float, row_groups: ArrayLike) -> PairCounts:
    """Genuine pairs with score < threshold per pair of groups, of all genuine pairs; exact at any threshold.

    A NaN score counts as a non-match. Genuine pairs between groups arise where a label belongs to the image.
    """
    scores = counts.genuine_scores
    errors = _by_group(counts, scores[~(scores["score"] >= threshold)], row_groups)
    return PairCounts(errors, counts.genuine_pairs.copy())


def threshold_from_counts(
    counts: ScoreCounts, target: float, *, on: str | None = None, row_groups: ArrayLike | None = None
) -> ThresholdChoice:
    """The smallest impostor score with FMR <= target, from the tail list: over all impostor pairs, or one group's.

    on      : name of a group whose own impostor pairs are meant; needs row_groups
    returns : as `threshold_at_fmr`, exact
    Raises  : StatisticsError with too few impostor pairs for the target, and where the target allows more false
              matches than the tail list holds: the message names the tail_limit that would do
    """
    tail, pairs = counts.tail["score"], int(counts.impostor_pairs.sum())
    if on is not None:
        code = _code(counts, on)
        if row_groups is None:
            raise StatisticsError(f"the threshold on group {on!r} needs row_groups, the group code of each row")
        codes = np.asarray(row_groups)
        inside = (codes[counts.tail["left"]] == code) & (codes[counts.tail["right"]] == code)
        tail, pairs = tail[inside], int(counts.impostor_pairs[code, code])
    allowed = allowed_false_matches(target, pairs)
    if allowed > len(tail):
        share = allowed / max(len(tail), 1)
        raise StatisticsError(
            f"FMR {target:g} allows {allowed} false matches, the tail list holds {len(tail)} of these {pairs} pairs "
            f"(scores from {counts.tail_floor:g} up); count again with tail_limit at least "
            f"{int(np.ceil(len(counts.tail) * share * 1.05)) + 1} and a histogram that starts lower"
        )
    # Where the list ends just where the allowance does, the next pair is lower, and one too many.
    first_out = -tail[allowed] if allowed < len(tail) else np.inf
    reached = int(np.searchsorted(-tail, first_out, side="left"))
    threshold = tail[reached - 1] if reached else np.nextafter(tail[0], np.inf) if len(tail) else counts.tail_floor
    return ThresholdChoice(float(threshold), target, reached, allowed, pairs)


def error_pairs(
    counts: ScoreCounts,
    threshold: float,
    first: str,
    second: str,
    *,
    row_groups: ArrayLike,
    row_subjects: ArrayLike,
) -> ErrorPairs:
    """The impostor pairs with score >= threshold between two groups (or within one), as subject codes.

    row_subjects : int [rows], subject code of each row; a pair of subjects appears once for every pair of images
    Raises       : StatisticsError below the floor of the tail list, naming the tail_limit needed
    """
    if threshold < counts.tail_floor:
        raise StatisticsError(_below_floor(counts, threshold, "an interval by subjects needs every pair in error"))
    groups, subjects = np.asarray(row_groups), np.asarray(row_subjects)
    a, b = _code(counts, first), _code(counts, second)
    listed = tail_above(counts, threshold)
    left, right = listed["left"], listed["right"]
    forward = (groups[left] == a) & (groups[right] == b)
    backward = ~forward & (groups[left] == b) & (groups[right] == a)
    return ErrorPairs(
        np.concatenate([subjects[left[forward]], subjects[right[backward]]]).astype(np.int64),
        np.concatenate([subjects[right[forward]], subjects[left[backward]]]).astype(np.int64),
    )


def tail_above(counts: ScoreCounts, threshold: float) -> AnyArray:
    """The part of the tail list with score >= threshold: PAIR_SCORE rows by falling score."""
    return counts.tail[: int(np.searchsorted(-counts.tail["score"], -threshold, side="right"))]


def _at_edge(counts: ScoreCounts, threshold: float) -> IntArray | None:
    """False matches per group pair from the bins, or None where the threshold is no bin edge.

    The last edge is no answer: the last bin is closed and holds scores above it.
    """
    found = np.flatnonzero(counts.edges[:-1] == threshold)
    return counts.impostor[:, :, found[0] :].sum(axis=-1) if len(found) else None


def _by_group(counts: ScoreCounts, pairs: AnyArray, row_groups: ArrayLike) -> IntArray:
    codes, size = np.asarray(row_groups), len(counts.groups)
    left, right = codes[pairs["left"]], codes[pairs["right"]]
    flat = np.minimum(left, right) * size + np.maximum(left, right)
    return np.bincount(flat, minlength=size * size).reshape(size, size)


def _below_floor(counts: ScoreCounts, threshold: float, why: str) -> str:
    """What to do about a threshold under the tail list; the bins tell how long a list would reach it."""
    edges = counts.edges
    said = f"threshold {threshold:g} is below {counts.tail_floor:g}, where the tail list ends; {why}"
    if threshold < edges[0]:
        return f"{said}. Scores below {edges[0]:g} were not kept: count again with a histogram that starts lower"
    below = int(np.searchsorted(edges, threshold, side="right")) - 1
    needed = int(counts.impostor[:, :, below:].sum())
    return f"{said}. Count again with tail_limit at least {needed}, or take the bin edge {edges[below]:g}"


def _code(counts: ScoreCounts, name: str) -> int:
    if name not in counts.groups:
        raise StatisticsError(f"no group {name!r} in these counts; there are {', '.join(counts.groups)}")
    return counts.groups.index(name)
