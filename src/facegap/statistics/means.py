"""Mean of a quantity over images with repeated subjects, with an interval clustered by subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from facegap.types import FloatArray, IntArray


@dataclass(frozen=True)
class ClusteredMean:
    """A mean with its interval; NaN without values, interval NaN with fewer than two subjects."""

    value: float
    low: float
    high: float
    trials: int
    subjects: int
    level: float


def clustered_mean(values: FloatArray, subjects: IntArray, *, level: float = 0.95) -> ClusteredMean:
    """Mean of values with the subject as cluster.

    values   : float64 (n,), finite
    subjects : int64 (n,), one code per person
    returns  : mean, and mean -+ t(S - 1) * sqrt(Var), Var = S / (S - 1) * sum_s (sum of s's residuals)^2 / n^2
    Source   : the linearised variance of a ratio of cluster totals, Cochran, Sampling Techniques (1977), chapter 9A;
               with one value per subject it is the usual t interval of a mean
    """
    n = len(values)
    names, codes = np.unique(subjects, return_inverse=True)
    people = len(names)
    mean = float(values.mean()) if n else np.nan
    if people < 2:
        return ClusteredMean(mean, np.nan, np.nan, n, people, level)
    residual = np.bincount(codes, weights=values - mean)
    variance = people / (people - 1) * float((residual**2).sum()) / n**2
    half = -float(stdtrit(people - 1, (1 - level) / 2)) * np.sqrt(variance)
    return ClusteredMean(mean, mean - half, mean + half, n, people, level)
