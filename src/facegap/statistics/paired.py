"""Two settings of one model judged on the same people: the difference in what is right, and in what is measured."""

from __future__ import annotations

import numpy as np
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.dprime import PairedDifference, student
from facegap.types import FloatArray, IntArray


def subject_means(values: FloatArray, subjects: IntArray) -> FloatArray:
    """Mean of the values of each person: float64 [S]; subjects are codes 0..S-1, each at least once."""
    return np.asarray(np.bincount(subjects, weights=values) / np.bincount(subjects), dtype=np.float64)


def paired_shares(differences: FloatArray, *, level: float = 0.95) -> PairedDifference:
    """The difference of two shares of right answers over the same people: McNemar's question, people as trials.

    differences : float64 [S], each in [-1, 1]: the share of a person's images that one setting gets right, less that
                  of the other; with one image a person 1, 0 or -1
    returns     : the mean difference; the interval adds one person to either side, so that it never has width zero,
                  and p is that of the same interval
    Raises      : StatisticsError for a difference outside [-1, 1]
    Source      : Bonett and Price (2012), adjusted Wald interval for paired proportions: (b + 1) / (n + 2) and
                  (c + 1) / (n + 2) instead of b / n and c / n. With several images of a person the same two people are
                  added to the mean and to the squares
    """
    if len(differences) and not (np.abs(differences) <= 1).all():
        raise StatisticsError("a difference of two shares lies between -1 and 1")
    people = len(differences)
    if people < 2:
        return PairedDifference(float(differences.mean()) if people else np.nan, np.nan, np.nan, np.nan, people, level)
    centre = float(differences.sum()) / (people + 2)
    squares = (float((differences**2).sum()) + 2) / (people + 2)
    deviation = float(np.sqrt((squares - centre**2) / (people + 2)))
    half = float(stats.norm.ppf((1 + level) / 2)) * deviation
    p = float(2 * stats.norm.sf(abs(centre) / deviation))
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    return PairedDifference(float(differences.mean()), low, high, p, people, level)


def paired_means(differences: FloatArray, *, level: float = 0.95) -> PairedDifference:
    """The mean difference of a quantity over the same people: the paired t interval.

    differences : float64 [S], one per person
    """
    people = len(differences)
    if people < 2:
        return PairedDifference(float(differences.mean()) if people else np.nan, np.nan, np.nan, np.nan, people, level)
    return student(float(differences.mean()), float(differences.var(ddof=1)) / people, people, level=level)
