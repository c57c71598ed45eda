"""Check score files as a whole: duplicate pairs, distances, constant scores, a threshold on another scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.scores.read import ScoreList
from facegap.store.scratch import Column, chunks, places, scratch, taken
from facegap.types import FloatArray, IntArray

SCALE = 20  # times smaller than genuine scores, such as a threshold for scores of 0..1 with scores of 0..100
FEW_SCORES = 10_000
FEWEST = 3  # least number of pairs of either kind to compare medians


def each_pair_once(listed: ScoreList, name: str) -> tuple[ScoreList, int]:
    """Remove duplicate comparisons, and return the number of rows removed.

    (a, b) and (b, a) are one comparison, unless the file states which image was the probe. Two different scores are an error.

    Raises
    ------
    TableError : If a pair of images has two different scores; names both rows.
    """
    if listed.named != "image":
        return listed, 0
    keys = _pair_keys(listed)
    # Nearly every file has each pair once; a sort alone finds that out.
    keys.sort()
    if not any((np.diff(keys[part.start : part.stop + 1]) == 0).any() for part in chunks(len(keys))):
        return listed, 0
    del keys
    before = _first_rows(_pair_keys(listed))
    _require_same(listed, before, name)
    kept = places(before[part] == np.arange(part.start, part.stop) for part in chunks(len(before)))
    chosen = replace(
        listed,
        left=taken(listed.left, kept),
        right=taken(listed.right, kept),
        genuine=taken(listed.genuine, kept),
        scores=taken(listed.scores, kept),
        weights=None if listed.weights is None else taken(listed.weights, kept),
    )
    return chosen, len(before) - len(kept)


def _pair_keys(listed: ScoreList) -> IntArray:
    """A number for each pair of images, int64 (rows,): the same in both orders, unless these are two trials."""
    keys: IntArray = scratch(len(listed), np.int64)
    for part in chunks(len(keys)):
        low, high = listed.left[part].astype(np.int64), listed.right[part].astype(np.int64)
        if not listed.directed:
            low, high = np.minimum(low, high), np.maximum(low, high)
        keys[part] = low * len(listed.names) + high
    return keys


def _first_rows(keys: IntArray) -> IntArray:
    """The first row with the key of each row, int64 (rows,)."""
    order = np.argsort(keys, kind="stable")
    found: IntArray = scratch(len(keys), np.int64)
    key, first = -1, -1
    for part in chunks(len(keys)):
        rows = order[part]
        fresh = np.diff(keys[rows], prepend=key) != 0
        starts = np.append(first, rows[fresh])
        found[rows] = starts[np.cumsum(fresh)]
        key, first = int(keys[rows[-1]]), int(starts[-1])
    return found


def _require_same(listed: ScoreList, before: IntArray, name: str) -> None:
    """Raise TableError where a row has another weight or score than the first row of its pair. before : those rows"""
    scores, weights, differing, worst = listed.scores, listed.weights, 0, -1
    for part in chunks(len(before)):
        first = before[part]
        if weights is not None and (torn := np.flatnonzero(weights[part] != weights[first])).size:
            k = part.start + int(torn[0])
            raise TableError(
                f"{name}: rows {int(before[k]) + 1} and {k + 1} of the scores are the same pair with two weights, "
                f"{weights[before[k]]:g} and {weights[k]:g}; keep the row that is in the list of sampled "
                f"pairs"
            )
    for part in chunks(len(before)):
        own, others = scores[part], scores[before[part]]
        wrong = np.flatnonzero((own != others) & ~(np.isnan(own) & np.isnan(others)))
        worst = part.start + int(wrong[0]) if worst < 0 and len(wrong) else worst
        differing += len(wrong)
    if differing:
        k, j = worst, int(before[worst])
        pair = f"{listed.names[listed.left[k]]!r} and {listed.names[listed.right[k]]!r}"
        raise TableError(
            f"{name}: rows {j + 1} and {k + 1} of the scores compare {pair} with two scores, {scores[j]:g} and "
            f"{scores[k]:g} ({differing} such rows); keep one row for each pair"
            + ("" if listed.directed else ", or name the columns probe and reference if both are trials")
        )


def require_usable(pairs: pd.DataFrame, thresholds: Sequence[float], name: str, *, distance: bool) -> None:
    """Reject scores that cannot be what they are declared to be.

    pairs    : genuine, score (higher is more alike; distances have been negated)
    distance : they were given as distances

    Raises
    ------
    TableError : If there is no score, all are equal, the median of genuine scores is below that of impostor scores, or a threshold is
                 farther from the scores than they are from one another, or far smaller than they are
    """
    mated, others = _made(pairs, genuine=True), _made(pairs, genuine=False)
    if not len(mated) + len(others):
        raise TableError(f"{name}: no comparison has a score, so there is nothing to evaluate")
    low = min(float(kind.min()) for kind in (mated, others) if len(kind))
    high = max(float(kind.max()) for kind in (mated, others) if len(kind))
    if low == high:
        raise TableError(
            f"{name}: every score is {shown(low, distance=distance)}; a constant score cannot distinguish people"
        )
    middles = [_median(kind) for kind in (mated, others)]
    if min(len(mated), len(others)) >= FEWEST and middles[0] < middles[1]:
        what = (
            "--distance was given, but these look like similarities: omit it"
            if distance
            else ("these look like distances: pass --distance")
        )
        raise TableError(
            f"{name}: the median score of genuine pairs is lower than that of impostor pairs "
            f"({shown(middles[0], distance=distance)} against "
            f"{shown(middles[1], distance=distance)}); "
            f"{what}"
        )
    for threshold in thresholds:
        taken = float((others >= threshold).mean()) if len(others) else 0.0
        if len(mated) and abs(threshold) * SCALE < abs(middles[0]) and taken > 0.5:
            raise TableError(
                f"{name}: the threshold {shown(threshold, distance=distance)} is on another scale than the scores: "
                f"the median of "
                f"genuine pairs is {shown(middles[0], distance=distance)}, and {taken:.0%} of impostor pairs would match"
            )
        if not low - (high - low) <= threshold <= high + (high - low):
            ends = sorted(shown(end, distance=distance) for end in (low, high))
            raise TableError(
                f"{name}: the threshold {shown(threshold, distance=distance)} is on another scale than the scores, "
                f"which run from "
                f"{ends[0]} to {ends[1]}"
            )


def decision_threshold(scores: FloatArray) -> float | None:
    """Return the higher value if there are only two, which are then a vendor's decisions; otherwise None."""
    some = scores[:FEW_SCORES]
    if len(np.unique(some[np.isfinite(some)])) > 2:  # as in nearly every file; the rest need not be checked
        return None
    values = np.empty(0)
    for part in chunks(len(scores)):
        values = np.unique(np.append(values, scores[part][np.isfinite(scores[part])]))
        if len(values) > 2:
            return None
    return float(values[1]) if len(values) == 2 else None


def _made(pairs: pd.DataFrame, *, genuine: bool) -> FloatArray:
    """The scores of the comparisons of one kind that have one."""
    scores, kinds = pairs["score"].to_numpy(np.float64), pairs["genuine"].to_numpy(np.bool_)
    found = Column(np.float64)
    for part in chunks(len(scores)):
        found.append(scores[part][np.isfinite(scores[part]) & (kinds[part] == genuine)])
    return found.array()


def _median(scores: FloatArray) -> float:
    """Their median, NaN of none. scores : in any order, and in another one afterwards"""
    return float(np.median(scores, overwrite_input=True)) if len(scores) else float("nan")


def shown(value: float, *, distance: bool) -> str:
    """Format a score as in the file."""
    return f"{-value if distance else value:.4g}"
