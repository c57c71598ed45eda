"""Medians with the sampling unit as cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from facegap.types import FloatArray, IntArray


@dataclass(frozen=True)
class ClusteredMedian:
    """A median with its interval; NaN without values, interval NaN with fewer than two units or too few values.

    n, units : numbers of values and of sampling units
    """

    median: float
    low: float
    high: float
    n: int
    units: int
    level: float


def clustered_median(values: FloatArray, units: IntArray, *, level: float = 0.95) -> ClusteredMedian:
    """Median of values, with the sampling unit as cluster, with an interval.

    Parameters
    ----------
    values : float64 (n,)
        Finite.
    units : int64 (n,)
        One code per sampling unit.
    level : float
        Between 0 and 1.

    Returns
    -------
    ClusteredMedian

    Notes
    -----
    Woodruff's interval: the interval of the proportion of values up to the median, from its variance over units and
    Student's t, converted to two quantiles. If it extends beyond the smallest or the largest value, the interval is
    NaN.

    References
    ----------
    Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47, 635-646.

    Examples
    --------
    >>> found = clustered_median(np.arange(101.0), np.arange(101))
    >>> found.median, round(found.low), round(found.high)
    (50.0, 40, 60)
    """
    count, (names, codes) = len(values), np.unique(units, return_inverse=True)
    if not count:
        return ClusteredMedian(np.nan, np.nan, np.nan, 0, 0, level)
    median = float(np.median(values))
    nothing = ClusteredMedian(median, np.nan, np.nan, count, len(names), level)
    if len(names) < 2:
        return nothing
    below = np.where(values == median, 0.5, values < median)  # ties with the median count half
    residual = np.bincount(codes, weights=below - below.mean())
    variance = len(names) / (len(names) - 1) * float((residual**2).sum()) / count**2
    reach = -float(stdtrit(len(names) - 1, (1 - level) / 2)) * float(np.sqrt(variance))
    if 0.5 - reach < 0.5 / count:
        return nothing
    low, high = np.quantile(values, [0.5 - reach, 0.5 + reach])
    return ClusteredMedian(median, float(low), float(high), count, len(names), level)
