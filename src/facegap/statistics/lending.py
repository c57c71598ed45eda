"""Effective trials of groups that have too few errors to tell how many they are worth.

A group without an error has no variance, and a single error none that shows whether people err together. By themselves
the first is worth its people and the second nearly all of its trials, so that taking the last error away would make a
gap to the group weaker. For gaps, and for nothing else, both borrow from the groups of the family that have more errors.
"""

from __future__ import annotations

import numpy as np

from facegap.types import FloatArray, IntArray


def lent_trials(
    errors: IntArray, trials: IntArray, subjects: IntArray | FloatArray, effective: FloatArray
) -> FloatArray:
    """Effective trials of the groups of a family for the tests and intervals of their gaps.

    errors, trials : whole numbers [..., G], the last axis the groups of one family
    subjects  : [..., G], as many as there are, or effective ones where their trials are unequal
    effective : float64 [..., G], of each rate by itself; NaN where it has none, and stays so
    returns   : `effective`, but for groups with no error or one (or with all trials but one in error, or all). These get
                what the family lends: their trials over the largest design effect, or their subjects times the fewest
                effective trials per subject, whichever is less (pairs of people grow faster than people). A group
                without an error keeps its own number if that is more; one with a single error, if that is less.
                Lenders are the groups with two errors or more; without any, those with one. Trials that are as many as
                their subjects are independent, and borrow nothing

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.array([30, 0]), np.array([600, 600]), np.array([40, 40])
    >>> lent_trials(*counts, np.array([200.0, 40.0]))
    array([200., 200.])
    """
    if not effective.shape[-1]:
        return effective
    few, known = np.minimum(errors, trials - errors), np.isfinite(effective) & (trials > 0)
    lends = known & (few >= 2)
    alone = ~lends.any(axis=-1, keepdims=True)
    lends = np.where(alone, known & (few == 1), lends)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_trial, by_subject = (np.where(lends, effective / size, np.inf) for size in (trials, subjects))
        lent = np.minimum(
            trials * by_trial.min(axis=-1, keepdims=True), subjects * by_subject.min(axis=-1, keepdims=True)
        )
    borrows = known & (subjects < trials) & np.isfinite(lent)
    without = np.where(borrows & (few == 0), np.maximum(effective, np.minimum(lent, trials)), effective)
    return np.asarray(np.where(borrows & (few == 1) & ~alone, np.minimum(effective, lent), without), dtype=np.float64)
