"""Means and medians of a quantity by group, and their differences, with a bootstrap of subjects or clusters.

Units are sampled with replacement across all groups, each with all of its values, so a unit in two groups is sampled in
both. Intervals are the value -+ Student's t with (units of the smaller group - 1) degrees of freedom times the standard
deviation of the replicates. This needs fewer replicates than the extreme quantiles that families of gaps require.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from facegap.errors import StatisticsError
from facegap.types import FloatArray, IntArray

DRAWS = 1000
CELLS_AT_ONCE = 4_000_000  # bounds memory: draws times values


@dataclass(frozen=True, eq=False)
class Central:
    """Mean and median of each group, with their replicates.

    Attributes
    ----------
    mean, median : numpy.ndarray
        float64 (groups,); NaN for a group without values.
    means, medians : numpy.ndarray
        Of each replicate, float64 (draws, groups); NaN if no unit of a group was sampled.
    trials, units : numpy.ndarray
        Numbers of values and of distinct units, int64 (groups,).
    """

    mean: FloatArray
    median: FloatArray
    means: FloatArray
    medians: FloatArray
    trials: IntArray
    units: IntArray

    def interval(self, statistic: str, group: int, level: float = 0.95) -> tuple[float, float]:
        """Interval of one group's mean or median; NaN with fewer than two units.

        statistic : "mean" or "median"
        """
        value, draws = (self.mean, self.means) if statistic == "mean" else (self.median, self.medians)
        return _limits(float(value[group]), draws[:, group], int(self.units[group]), 1 - level)

    def difference(self, statistic: str, a: int, b: int) -> Apart:
        """Return the statistic of group a minus that of group b.

        statistic : "mean" or "median"
        """
        value, draws = (self.mean, self.means) if statistic == "mean" else (self.median, self.medians)
        fewest = int(min(self.units[a], self.units[b]))
        return Apart(float(value[a] - value[b]), draws[:, a] - draws[:, b], fewest)


@dataclass(frozen=True, eq=False)
class Apart:
    """A difference of two groups, with its replicates.

    Attributes
    ----------
    value : float
        NaN where a group has no values.
    draws : numpy.ndarray
        float64 (draws,).
    units : int
        Units of the smaller group.
    """

    value: float
    draws: FloatArray
    units: int

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided interval at level 1 - alpha; NaN with fewer than two units in a group."""
        return _limits(self.value, self.draws, self.units, alpha)

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference; NaN with fewer than two units, 1 without variation or difference."""
        error = _error(self.draws, self.units)
        if np.isnan(self.value) or np.isnan(error):
            return float("nan")
        if error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stdtr(self.units - 1, -abs(self.value) / error))


def central_values(
    values: FloatArray,
    units: IntArray,
    codes: IntArray,
    groups: int,
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Central:
    """Mean and median of each group, with bootstrap replicates of both over sampling units.

    Parameters
    ----------
    values : array of float (n,)
        NaN is a missing value and does not count as a trial.
    units : array of int (n,)
        Code of the person or cluster of each value, 0 and above.
    codes : array of int (n,)
        Group of each value, -1 for none.
    groups : int
        Number of groups.
    rng : numpy.random.Generator
        Random number generator for the replicates.
    draws : int
        Number of bootstrap replicates.

    Returns
    -------
    Central

    Raises
    ------
    StatisticsError
        If arrays have different lengths or a value is infinite.

    Notes
    -----
    The median of an even number of values is the mean of the middle two, also in replicates. A replicate samples as
    many units as there are in all groups together, so the size of a group varies.

    References
    ----------
    Field and Welsh, Bootstrapping clustered data, JRSS B 69 (2007): resampling whole clusters.

    Examples
    --------
    >>> found = central_values([1, 2, 6, 9], [0, 0, 1, 2], [0, 0, 0, 1], 3, rng=np.random.default_rng(0), draws=50)
    >>> found.mean.tolist(), found.median.tolist(), found.units.tolist()
    ([3.0, 9.0, nan], [2.0, 9.0, nan], [2, 1, 0])
    """
    value, unit, code = np.asarray(values, np.float64), np.asarray(units), np.asarray(codes)
    if not value.shape == unit.shape == code.shape or value.ndim != 1:
        raise StatisticsError(
            f"values of shape {value.shape}, units {unit.shape}, codes {code.shape}: give arrays of the same length"
        )
    if np.isinf(value).any():
        raise StatisticsError(f"{int(np.isinf(value).sum())} of {len(value)} values are infinite")
    used = (code >= 0) & ~np.isnan(value)
    value, code = value[used], code[used]
    names, unit = np.unique(unit[used], return_inverse=True)
    inside = [np.flatnonzero(code == k) for k in range(groups)]
    inside = [rows[np.argsort(value[rows], kind="stable")] for rows in inside]  # of each group by increasing value
    shape = (draws, groups)
    means, medians = np.full(shape, np.nan), np.full(shape, np.nan)
    step = max(1, CELLS_AT_ONCE // max(len(value), len(names), 1))
    for start in range(0, draws if len(names) else 0, step):
        part = slice(start, min(start + step, draws))
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=part.stop - start)
        for k, rows in enumerate(inside):
            if len(rows):
                means[part, k], medians[part, k] = _weighted(value[rows], drawn[:, unit[rows]])
    whole = [_weighted(value[rows], np.ones((1, len(rows)), np.int64)) if len(rows) else _NOTHING for rows in inside]
    return Central(
        np.array([float(mean[0]) for mean, _ in whole]),
        np.array([float(median[0]) for _, median in whole]),
        means,
        medians,
        np.array([len(rows) for rows in inside], np.int64),
        np.array([len(np.unique(unit[rows])) for rows in inside], np.int64),
    )


_NOTHING = (np.full(1, np.nan), np.full(1, np.nan))


def _weighted(ordered: FloatArray, weights: IntArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and median of values in increasing order: float64 (draws,) each.

    weights : int64 (draws, n)
    """
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights @ ordered) / total
    last = len(ordered) - 1
    lower, upper = (
        ordered[np.minimum((reached <= place[:, None]).sum(axis=1), last)] for place in ((total - 1) // 2, total // 2)
    )
    return np.asarray(mean), np.where(total > 0, (lower + upper) / 2, np.nan)


def _error(draws: FloatArray, units: int) -> float:
    """Standard error from replicates; NaN with fewer than two units or replicates."""
    usable = draws[np.isfinite(draws)]
    return float(usable.std(ddof=1)) if units >= 2 and len(usable) >= 2 else float("nan")


def _limits(value: float, draws: FloatArray, units: int, alpha: float) -> tuple[float, float]:
    """Value -+ t times the standard error."""
    error = _error(draws, units)
    if np.isnan(error) or np.isnan(value):
        return float("nan"), float("nan")
    half = -float(stdtrit(units - 1, alpha / 2)) * error
    return value - half, value + half
