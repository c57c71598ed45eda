"""One of four verdicts from p-values and intervals, and the number of subjects needed for a verdict."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from facegap.types import AnyArray, BoolArray, FloatArray, Verdict

BEYOND: Verdict = "gap larger than the margin"
GAP: Verdict = "gap"
WITHIN: Verdict = "no gap larger than the margin"
UNKNOWN: Verdict = "not enough data"
VERDICTS: tuple[Verdict, ...] = (BEYOND, GAP, WITHIN, UNKNOWN)
EXPLORATORY: Verdict = "exploratory"  # instead of a verdict, for gaps outside the primary family
GAPS_FOUND = (BEYOND, GAP)  # verdicts of a gap
POWER = 0.8


def holm(p: FloatArray) -> FloatArray:
    """Adjusted p-values of a family: rejecting where adjusted p <= alpha keeps the family-wise error rate at most alpha.

    Parameters
    ----------
    p
        float64 [..., m], the last axis being one family; NaN (a test that could not be made) stays NaN but counts in m,
        because it was specified in advance.

    Returns
    -------
    FloatArray
        float64 [..., m] in [0, 1], at least p, in the same order.

    References
    ----------
    Holm (1979), step down; checked against statsmodels.stats.multitest.multipletests.

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


def verdicts(*, beyond_margin: BoolArray, within_margin: BoolArray, differs: BoolArray) -> AnyArray:
    """One verdict per gap, str [m]; the first that applies of: larger than the margin, within it, a gap, not enough data.

    A gap that is within the margin and differs from zero is real but small; reports state both.

    Examples
    --------
    >>> import numpy as np
    >>> no, yes = np.array([False]), np.array([True])
    >>> verdicts(beyond_margin=no, within_margin=no, differs=yes).tolist()
    ['gap']
    """
    return np.select([beyond_margin, within_margin, differs], [BEYOND, WITHIN, GAP], default=UNKNOWN)


def withheld(verdict: AnyArray, rates: tuple[AnyArray, AnyArray], dominated: tuple[AnyArray, AnyArray]) -> AnyArray:
    """The verdicts of gaps, withheld if they would depend on a few subjects (statistics/dominated.py); str, of one shape.

    rates, dominated : of both groups of each gap: the rates, and the number of subjects that dominate each (0: none)
    returns          : "not enough data" if the group with the higher rate is dominated, and instead of "no gap larger
                       than the margin" if either group is. A gap to a dominated group with the lower rate is kept:
                       without those subjects it would be even larger

    Examples
    --------
    >>> import numpy as np
    >>> rates, dominated = (np.array([0.2, 0.2]), np.array([0.1, 0.1])), (np.array([2, 0]), np.array([0, 1]))
    >>> withheld(np.array([GAP, GAP]), rates, dominated).tolist()
    ['not enough data', 'gap']
    """
    (rate_a, rate_b), (a, b) = rates, (np.asarray(side) > 0 for side in dominated)
    of_gap = (a & (rate_a >= rate_b)) | (b & (rate_b >= rate_a))
    return np.where(of_gap | ((a | b) & (verdict == WITHIN)), UNKNOWN, verdict)


def stricter(first: AnyArray, second: AnyArray) -> AnyArray:
    """The weaker of two verdicts on each gap, str [m].

    "Not enough data" is weaker than any other verdict, and "gap" is weaker than "gap larger than the margin". If two
    contradict each other, a gap and none larger than the margin, the result is "not enough data".

    Examples
    --------
    >>> import numpy as np
    >>> stricter(np.array([BEYOND, GAP]), np.array([GAP, WITHIN])).tolist()
    ['gap', 'not enough data']
    """
    both_found = np.isin(first, GAPS_FOUND) & np.isin(second, GAPS_FOUND)
    return np.select([first == second, both_found], [first, GAP], default=UNKNOWN)


def subjects_needed(
    rate: FloatArray, subjects_per_trial: FloatArray, margin: float, *, is_ratio: bool, alpha: float
) -> FloatArray:
    """Subjects needed in each of two groups to detect a gap as large as the margin with 80% power.

    Parameters
    ----------
    rate
        float64 [m], of both groups together. The observed gap is not used, because a plan based on it would require few
        subjects whenever the gap is large by chance.
    subjects_per_trial
        float64 [m], subjects / effective trials, of the group in which a subject is least informative.
    alpha
        Two-sided level of one test, so alpha / m in a family of m.

    Returns
    -------
    FloatArray
        float64 [m], rounded up. NaN if undefined: a ratio without any errors, or no effective trials.
        For pair rates it is an upper bound, as the number of pairs grows faster than that of subjects.

    References
    ----------
    Normal approximation for two proportions, rate against rate + margin, or rate * ratio (capped at 1; for rates above
    one half, of the complement), on the log scale for a ratio.

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
