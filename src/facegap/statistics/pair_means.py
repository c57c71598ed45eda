"""Mean of a quantity over comparisons, and difference of two groups' means, with the person as the sampling unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from facegap.types import FloatArray, IntArray


@dataclass(frozen=True)
class PairMean:
    """A mean over comparisons.

    Attributes
    ----------
    value : float
        NaN without comparisons.
    variance : float
        Variance of the mean, over people; NaN with fewer than two people.
    pairs, people : int
        Numbers of comparisons, and of people in them.
    """

    value: float
    variance: float
    pairs: int
    people: int

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided interval at level 1 - alpha by Student's t; NaN with fewer than two people."""
        return limits(self.value, self.variance, self.people, alpha)


@dataclass(frozen=True)
class MeanGap:
    """Mean of one group minus that of another; `people` is the number in the smaller group."""

    value: float
    variance: float
    people: int

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided interval at level 1 - alpha; NaN with fewer than two people in a group."""
        return limits(self.value, self.variance, self.people, alpha)

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference; NaN without an interval, 1 without variation or difference."""
        if not np.isfinite(self.value) or not np.isfinite(self.variance) or self.people < 2:
            return float("nan")
        if self.variance == 0:
            return float(self.value == 0)
        return float(2 * stdtr(self.people - 1, -abs(self.value) / np.sqrt(self.variance)))


def pair_mean(values: FloatArray, left: IntArray, right: IntArray) -> PairMean:
    """Mean of a quantity over comparisons of people.

    Parameters
    ----------
    values : numpy.ndarray
        float64 (n,), finite.
    left, right : numpy.ndarray
        int64 (n,), the person (or sampling unit) on each side; equal in a mated comparison.

    Returns
    -------
    PairMean

    Notes
    -----
    Let T_ij be the sum of residuals over the comparisons of persons i and j, and S_i the sum of all T with i. With n
    people and M comparisons, the variance is n/(n - 1) (sum_i S_i^2 - sum_{i<j} T_ij^2) / M^2, but at least n/(n - 1)
    times that of independent pairs of people. If every comparison is within one person, this is the cluster variance of
    a mean.

    References
    ----------
    Fafchamps and Gubert (2007), The formation of risk sharing networks, Journal of Development Economics 83: dyadic errors.

    Examples
    --------
    >>> within = pair_mean(np.array([1.0, 2.0, 3.0]), np.arange(3), np.arange(3))
    >>> within.value, round(within.variance, 4)  # the squared standard error of a mean, 1 / 3
    (2.0, 0.3333)
    """
    count = len(values)
    names, codes = np.unique(np.concatenate([left, right]), return_inverse=True)
    people, mean = len(names), float(values.mean()) if count else float("nan")
    if people < 2:
        return PairMean(mean, float("nan"), count, people)
    one, other = codes.reshape(2, -1) if count else (codes, codes)
    low, high = np.minimum(one, other), np.maximum(one, other)
    keys, inverse = np.unique(low * people + high, return_inverse=True)
    sums = np.bincount(inverse.reshape(-1), weights=values - mean)
    first, second = np.divmod(keys, people)
    apart = first != second
    each = np.bincount(first, weights=sums, minlength=people) + np.bincount(
        second[apart], weights=sums[apart], minlength=people
    )
    squares = float((sums**2).sum())
    variance = max(float((each**2).sum()) - float((sums[apart] ** 2).sum()), squares) / count**2
    return PairMean(mean, variance * people / (people - 1), count, people)


def mean_gap(a: PairMean, b: PairMean) -> MeanGap:
    """The mean of group a minus that of group b, for groups without common people.

    Examples
    --------
    >>> found = mean_gap(PairMean(0.3, 0.01, 40, 20), PairMean(0.1, 0.02, 60, 30))
    >>> round(found.value, 2), round(found.variance, 2), found.people
    (0.2, 0.03, 20)
    """
    return MeanGap(a.value - b.value, a.variance + b.variance, min(a.people, b.people))


def limits(value: float, variance: float, people: int, alpha: float) -> tuple[float, float]:
    """Value -+ t times the standard error, with people - 1 degrees of freedom; NaN with fewer than two people."""
    if people < 2 or not np.isfinite(value) or not np.isfinite(variance):
        return float("nan"), float("nan")
    half = -float(stdtrit(people - 1, alpha / 2)) * float(np.sqrt(variance))
    return value - half, value + half
