"""Effective trials of groups with too few errors to estimate them.

A group without errors has no variance, and a single error cannot show whether errors cluster in subjects. On its own,
the first has as many effective trials as subjects and the second nearly all of its trials, so removing the last error
would weaken a gap to the group. For gaps only, both borrow strength from the groups of the family with more errors.
"""

from __future__ import annotations

import numpy as np

from facegap.types import BoolArray, FloatArray, IntArray

LARGEST_DESIGN_RATIO = 3.0  # of design effects within a family; see `_upper_bound`


def lent_trials(
    errors: IntArray, trials: IntArray, subjects: IntArray | FloatArray, effective: FloatArray
) -> FloatArray:
    """Effective trials of the groups of a family for the tests and intervals of their gaps.

    errors, trials : integers [..., G], the last axis being the groups of one family
    subjects  : [..., G], number of subjects, or of effective ones if their trials are unequal
    effective : float64 [..., G], of each rate alone; NaN, if it has none, is kept
    returns   : `effective`, changed for groups with at most one error, or at most one trial that is not an error. These
                get a value from the family: their trials over the largest design effect, or their subjects times the
                fewest effective trials per subject, whichever is smaller (pairs of people grow faster than people). A
                group without errors keeps its own value if that is larger; one with a single error, if that is smaller.
                The family's values are from groups with at least two errors or, if there are none, from those with one.
                A group with one trial per subject has independent trials and borrows nothing. With three lenders or
                more, none keeps a design effect below a third of their median

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
    return np.minimum(found, _upper_bound(trials, subjects, found, lends & ~alone))


def _upper_bound(
    trials: IntArray, subjects: IntArray | FloatArray, effective: FloatArray, lends: BoolArray
) -> FloatArray:
    """Upper bound of the effective trials of each group given the others of the family; infinite if it keeps its own.

    A group without any of the few subjects who cause most errors in the others appears to have independent trials. Its
    design effect is therefore at least the median of the family over LARGEST_DESIGN_RATIO, but its effective trials are never
    fewer than its subjects.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        design = np.where(lends, trials / effective, np.nan)
        enough = lends.sum(axis=-1, keepdims=True) > 2  # two have no middle one
        middle = np.nanmedian(np.where(enough, design, 1.0), axis=-1, keepdims=True)
        most = np.maximum(LARGEST_DESIGN_RATIO * trials / middle, subjects)
    return np.asarray(np.where(lends & enough & (subjects < trials), most, np.inf), dtype=np.float64)
