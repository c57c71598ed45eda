"""Effective trials of groups that have too few errors to tell how many they are worth.

A group without an error has no variance, and a single error none that shows whether people err together. By themselves
the first is worth its people and the second nearly all of its trials, so that taking the last error away would make a
gap to the group weaker. For gaps, and for nothing else, both borrow from the groups of the family that have more errors.
"""

from __future__ import annotations

import numpy as np

from facegap.types import BoolArray, FloatArray, IntArray

MOST_APART = 3.0  # of design effects within a family; see `_not_far_apart`


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
                their subjects are independent, and borrow nothing. Of three lenders and more none keeps a design effect
                under a third of their middle one

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
    found = np.where(borrows & (few == 1) & ~alone, np.minimum(effective, lent), without)
    return np.minimum(found, _not_far_apart(trials, subjects, found, lends & ~alone))


def _not_far_apart(
    trials: IntArray, subjects: IntArray | FloatArray, effective: FloatArray, lends: BoolArray
) -> FloatArray:
    """The most effective trials of each group beside the others of the family; infinite where it may keep its own.

    A group that holds none of the few people who make the errors of the others looks as if its trials were independent.
    Its design effect counts as MOST_APART times smaller than the middle one of the family at the least, though a group is
    never worth less than its subjects.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        design = np.where(lends, trials / effective, np.nan)
        enough = lends.sum(axis=-1, keepdims=True) > 2  # of two there is no middle
        middle = np.nanmedian(np.where(enough, design, 1.0), axis=-1, keepdims=True)
        most = np.maximum(MOST_APART * trials / middle, subjects)
    return np.asarray(np.where(lends & enough & (subjects < trials), most, np.inf), dtype=np.float64)
