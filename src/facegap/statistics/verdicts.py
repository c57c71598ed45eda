"""From p values and intervals to one of three verdicts, and to the number of subjects that would settle it."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from facegap.types import AnyArray, BoolArray, FloatArray, Verdict

GAP: Verdict = "gap"
WITHIN: Verdict = "no gap larger than the margin"
UNKNOWN: Verdict = "not enough data"
POWER = 0.8


def holm(p: FloatArray) -> FloatArray:
    """Adjusted p values of a family: reject where adjusted p <= alpha, and the family errs with at most alpha.

    p       : float64 [..., m], the last axis one family; NaN (a test that could not be made) stays NaN but counts in m,
              as it was named in advance
    returns : float64 [..., m] in [0, 1], not smaller than p, in the same order
    Source  : Holm (1979), step down; checked against statsmodels.stats.multitest.multipletests

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, axis=-1)  # NaN last
    steps = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0), axis=-1)
    return adjusted


def verdicts(differs: BoolArray, within_margin: BoolArray) -> AnyArray:
    """One verdict per gap, str [m]: inside the margin first, whether or not it differs; else gap; else not enough data.

    A gap that is inside the margin and differs from zero is real and small: reports say both.

    Examples
    --------
    >>> import numpy as np
    >>> verdicts(np.array([True, False]), np.array([False, False])).tolist()
    ['gap', 'not enough data']
    """
    return np.select([within_margin, differs], [WITHIN, GAP], default=UNKNOWN)


def subjects_needed(
    rate: FloatArray, subjects_per_trial: FloatArray, margin: float, *, is_ratio: bool, alpha: float
) -> FloatArray:
    """Subjects in each of two groups to find a gap as large as the margin with 80% power.

    rate               : float64 [m], of both groups together. The observed gap plays no part: planning for it would
                         ask for few subjects exactly where chance made the gap large
    subjects_per_trial : float64 [m], subjects / effective trials, of the group where one subject tells least
    alpha              : two-sided level of one test, so alpha / m in a family of m
    returns            : float64 [m], rounded up. NaN where it cannot be known: a ratio from no errors at all, or no
                         effective trials. For pair rates it is an upper bound, as pairs grow faster than subjects
    Source             : normal approximation for two proportions, rate against rate + margin, or rate * ratio (capped
                         at 1; rates above one half are taken from the other end), on the log scale for a ratio

    Examples
    --------
    >>> import numpy as np
    >>> subjects_needed(np.array([0.05]), np.array([1.0]), 0.02, is_ratio=False, alpha=0.05)
    array([2210.])
    """
    z = float(-ndtri(alpha / 2) + ndtri(POWER))
    with np.errstate(divide="ignore", invalid="ignore"):
        if is_ratio:
            other = np.minimum(rate * margin, 1.0)
            trials = z**2 * ((1 - rate) / rate + (1 - other) / other) / np.log(margin) ** 2
        else:
            nearer = np.minimum(rate, 1 - rate)
            other = np.minimum(nearer + margin, 1.0)
            trials = z**2 * (nearer * (1 - nearer) + other * (1 - other)) / margin**2
        needed = np.ceil(trials * subjects_per_trial)
    return np.where(np.isfinite(needed), needed, np.nan)
