"""What files of scores are mistaken in as a whole: pairs listed twice, distances, constant scores, a threshold of another scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.scores.read import ScoreList
from facegap.types import BoolArray, FloatArray, IntArray

SCALE = 20  # times smaller than genuine scores: a threshold for scores of 0..1 beside scores of 0..100
FEW_SCORES = 10_000
FEWEST = 3  # pairs of either kind from which on their medians say anything


def each_pair_once(listed: ScoreList, name: str) -> tuple[ScoreList, int]:
    """The scores with each comparison counted once, and how many rows were left out.

    (a, b) and (b, a) are one comparison, unless the file says which image was the probe. One with two scores is an error.

    Raises
    ------
    TableError : one pair of images with two different scores, naming both rows
    """
    if listed.named != "image":
        return listed, 0
    low, high = listed.left, listed.right
    if not listed.directed:
        low, high = np.minimum(low, high), np.maximum(low, high)
    keys: IntArray = low * len(listed.names) + high
    # Nearly every file has each pair once; a sort alone finds that out in a third of the memory.
    ordered = np.sort(keys)
    if not (ordered[1:] == ordered[:-1]).any():
        return listed, 0
    del ordered
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    before = first[of]
    same = (listed.scores == listed.scores[before]) | (np.isnan(listed.scores) & np.isnan(listed.scores[before]))
    if listed.weights is not None and (listed.weights != listed.weights[before]).any():
        k = int(np.argmax(listed.weights != listed.weights[before]))
        raise TableError(
            f"{name}: rows {int(before[k]) + 1} and {k + 1} of the scores are the same pair with two weights, "
            f"{listed.weights[before[k]]:g} and {listed.weights[k]:g}; keep the row that is in the list of sampled "
            f"pairs"
        )
    differing = np.flatnonzero(~same)
    if len(differing):
        k, j = int(differing[0]), int(before[differing[0]])
        pair = f"{listed.names[listed.left[k]]!r} and {listed.names[listed.right[k]]!r}"
        raise TableError(
            f"{name}: rows {j + 1} and {k + 1} of the scores compare {pair} with two scores, {listed.scores[j]:g} and "
            f"{listed.scores[k]:g} ({len(differing)} such rows); keep one row for each pair"
            + ("" if listed.directed else ", or name the columns probe and reference if both are trials")
        )
    kept: BoolArray = np.zeros(len(keys), np.bool_)
    kept[first] = True
    chosen = replace(
        listed,
        left=listed.left[kept],
        right=listed.right[kept],
        genuine=listed.genuine[kept],
        scores=listed.scores[kept],
        weights=None if listed.weights is None else listed.weights[kept],
    )
    return chosen, int(len(keys) - len(first))


def require_usable(pairs: pd.DataFrame, thresholds: Sequence[float], name: str, *, distance: bool) -> None:
    """Refuse scores that cannot be what they are taken for.

    pairs    : genuine, score (higher is more alike; distances have been negated)
    distance : they were distances

    Raises
    ------
    TableError : no score, one score throughout, genuine scores below impostor scores at the median, or a threshold
                 farther from the scores than they are from one another, or far smaller than they are
    """
    scores = pairs["score"].to_numpy(np.float64)
    finite = np.isfinite(scores)
    if not finite.any():
        raise TableError(f"{name}: no comparison has a score, so there is nothing to evaluate")
    low, high = float(scores[finite].min()), float(scores[finite].max())
    if low == high:
        raise TableError(
            f"{name}: every score is {shown(low, distance=distance)}; a constant score cannot distinguish people"
        )
    genuine = pairs["genuine"].to_numpy(np.bool_)
    mated, others = scores[finite & genuine], scores[finite & ~genuine]
    if min(len(mated), len(others)) >= FEWEST and np.median(mated) < np.median(others):
        what = (
            "--distance was given, but these look like similarities: omit it"
            if distance
            else ("these look like distances: pass --distance")
        )
        raise TableError(
            f"{name}: the median score of genuine pairs is lower than that of impostor pairs "
            f"({shown(float(np.median(mated)), distance=distance)} against "
            f"{shown(float(np.median(others)), distance=distance)}); "
            f"{what}"
        )
    for threshold in thresholds:
        taken = float((others >= threshold).mean()) if len(others) else 0.0
        if len(mated) and abs(threshold) * SCALE < abs(float(np.median(mated))) and taken > 0.5:
            raise TableError(
                f"{name}: the threshold {shown(threshold, distance=distance)} is on another scale than the scores: "
                f"the median of "
                f"genuine pairs is {shown(float(np.median(mated)), distance=distance)}, and {taken:.0%} of impostor pairs would match"
            )
        if not low - (high - low) <= threshold <= high + (high - low):
            ends = sorted(shown(end, distance=distance) for end in (low, high))
            raise TableError(
                f"{name}: the threshold {shown(threshold, distance=distance)} is on another scale than the scores, "
                f"which run from "
                f"{ends[0]} to {ends[1]}"
            )


def decision_threshold(scores: FloatArray) -> float | None:
    """The higher of two values where scores have no others: decisions, whose threshold is the vendor's. None otherwise."""
    some = scores[:FEW_SCORES]
    if len(np.unique(some[np.isfinite(some)])) > 2:  # as of nearly every file; the rest need not be looked at
        return None
    values = np.unique(scores[np.isfinite(scores)])
    return float(values[1]) if len(values) == 2 else None


def shown(value: float, *, distance: bool) -> str:
    """A score as the file has it."""
    return f"{-value if distance else value:.4g}"
