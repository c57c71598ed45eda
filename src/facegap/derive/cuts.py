"""Acceptance of comparisons: at one threshold, or at the threshold for the folds of the two people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.errors import RunError
from facegap.store.record import FoldThresholds
from facegap.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class FoldCut:
    """A threshold for each pair of folds.

    thresholds : float64 (K, K), symmetric; entry a, b was set on people outside folds a and b
    folds      : int64 (n,), fold of each template, 0..K-1
    """

    thresholds: FloatArray
    folds: IntArray

    @property
    def lowest(self) -> float:
        """The lowest of the thresholds."""
        return float(self.thresholds.min())

    def of(self, rows: IntArray) -> FloatArray:
        """Return the threshold of each pair of templates, float64 (m,)."""
        return np.asarray(self.thresholds[self.folds[rows[:, 0]], self.folds[rows[:, 1]]], np.float64)


Cut = float | FoldCut


def lowest_of(cut: Cut) -> float:
    """The lowest score that can be accepted."""
    return cut.lowest if isinstance(cut, FoldCut) else cut


def limits_of(cut: Cut, rows: IntArray) -> FloatArray | float:
    """The threshold of each pair of templates, or the common one. rows : int64 (m, 2)"""
    return cut.of(rows) if isinstance(cut, FoldCut) else cut


def fold_pairs(folds: int) -> tuple[IntArray, IntArray]:
    """Both folds of each pair of folds, including a fold with itself: int64 (K (K + 1) / 2,) each.

    Examples
    --------
    >>> first, second = fold_pairs(2)
    >>> first, second
    (array([0, 0, 1]), array([0, 1, 1]))
    """
    first, second = np.triu_indices(folds)
    return first.astype(np.int64), second.astype(np.int64)


def fold_cut(stated: FoldThresholds, folds: IntArray) -> FoldCut:
    """The thresholds of a record, for templates in these folds.

    Raises
    ------
    RunError : if folds or the number of thresholds do not match the record, because the run was edited
    """
    first, second = fold_pairs(stated.folds)
    if len(stated.thresholds) != len(first):
        raise RunError(
            f"run.json: {len(stated.thresholds)} thresholds by folds, but {stated.folds} folds have {len(first)}"
        )
    if len(folds) and not 0 <= folds.min() <= folds.max() < stated.folds:
        raise RunError(f"roles.parquet, column fold: not all from 0 to {stated.folds - 1}, the folds of run.json")
    thresholds = np.zeros((stated.folds, stated.folds))
    thresholds[first, second] = thresholds[second, first] = stated.thresholds
    return FoldCut(thresholds, folds)
