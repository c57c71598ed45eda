"""Means of groups standardised to a common composition, such as age errors at equal ages, and their gaps.

In direct standardisation each cell (such as an age band) has the same weight in every group, however many values the
group has there. Without it, a model that overestimates the young and underestimates the old appears to differ between
two groups merely because one of them is younger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import stdtr, stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.verdicts import BEYOND, WITHIN, holm, verdicts
from facegap.types import BoolArray, FloatArray, IntArray, Verdict

LEAST_UNITS = 2  # of a cell; with fewer, its variance cannot be estimated


@dataclass(frozen=True, eq=False)
class StandardisedMeans:
    """Means of G groups over the same cells.

    value, low, high : float64 [G]; NaN if a cell of the composition has too few sampling units in the group
    values, units    : int64 [G], numbers of values averaged and of their sampling units
    covariance       : float64 [G, G] of the means; 0 for groups without common units
    parts            : float64 [G, C], contribution of each cell to the variance of each mean; sizes: int64 [G, C],
                       units of each cell
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    values: IntArray
    units: IntArray
    covariance: FloatArray
    parts: FloatArray
    sizes: IntArray
    level: float


@dataclass(frozen=True)
class MeanGap:
    """The difference of two means, first minus second, with its verdict.

    low, high : interval at the level of the means; decided_low, decided_high : the interval that determined the
                verdict, at decided_level, simultaneous over the family
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    differs: bool
    verdict: Verdict
    decided_low: float
    decided_high: float
    decided_level: float


def standardised_means(
    values: FloatArray,
    units: IntArray,
    groups: IntArray,
    cells: IntArray,
    *,
    n_groups: int,
    shares: FloatArray,
    level: float = 0.95,
) -> StandardisedMeans:
    """Mean of each group, standardised to given proportions of the cells.

    Parameters
    ----------
    values : float64 (n,)
        Finite.
    units, groups, cells : int64 (n,)
        Sampling unit of each value, group 0..n_groups-1 and cell 0..C-1; -1 for values of no group or cell, which are ignored.
    shares : float64 [C]
        Proportion of each cell, summing to 1. Cells of proportion 0 are ignored.

    Returns
    -------
    StandardisedMeans
        NaN for a group in which a cell with a positive proportion has fewer than two units.

    Raises
    ------
    StatisticsError
        If proportions are negative or do not sum to 1.

    Notes
    -----
    The mean is the sum over cells of the proportion times the mean of the group's values in the cell. Its variance is
    that of a stratified mean with units as clusters: residuals from the mean of the cell, times proportion / number of
    values, are summed by unit and squared; in a cell of S units times S / (S - 1). Student's t has Satterthwaite's
    degrees of freedom. With one cell this is `clustered_mean`.

    References
    ----------
    Cochran (1977), Sampling Techniques, 5A.2 and 9A; Satterthwaite (1946). NIST's FATE age estimation averages the absolute
    error over 26 cells of equal weight: two sexes and every age from 18 to 30.

    Examples
    --------
    >>> young, old = 0, 1
    >>> found = standardised_means(np.array([1.0, 3.0, 5.0, 5.0, 7.0]), np.arange(5), np.zeros(5, np.int64),
    ...                            np.array([young, young, old, old, old]), n_groups=1, shares=np.array([0.5, 0.5]))
    >>> found.value.round(3)
    array([3.833])
    """
    shares = np.asarray(shares, np.float64)
    if not len(shares) or (np.any(~np.isfinite(shares) | (shares < 0)) or abs(shares.sum() - 1) > 1e-9):
        raise StatisticsError("the proportions of the cells must be at least 0 and sum to 1; give at least one")
    n_cells = len(shares)
    inside = (groups >= 0) & (cells >= 0)
    inside[inside] = shares[cells[inside]] > 0
    values, groups, cells = np.asarray(values, np.float64)[inside], groups[inside], cells[inside]
    names, codes = np.unique(units[inside], return_inverse=True)
    place = groups * n_cells + cells
    size = n_groups * n_cells
    counts = np.bincount(place, minlength=size)
    sums = np.bincount(place, weights=values, minlength=size)
    seen = np.unique(codes * size + place)
    sizes: IntArray = np.asarray(np.bincount(seen % size, minlength=size), np.int64).reshape(n_groups, n_cells)
    means = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    wanted = shares > 0
    usable = (sizes[:, wanted] >= LEAST_UNITS).all(axis=1) & wanted.any()
    with np.errstate(invalid="ignore", divide="ignore"):
        grown = np.sqrt(sizes / np.maximum(sizes - 1, 1)).reshape(-1)
        parts_of_values = (np.tile(shares, n_groups) * grown / np.maximum(counts, 1))[place] * (values - means[place])
        value = np.where(
            usable, np.nansum(np.where(wanted, shares * means.reshape(n_groups, n_cells), 0.0), axis=1), np.nan
        )
    keys, of_unit = np.unique(codes * size + place, return_inverse=True)
    residuals = np.bincount(of_unit, weights=parts_of_values, minlength=len(keys))  # by unit, group and cell
    squares = np.bincount(keys % size, weights=residuals**2, minlength=size)
    parts: FloatArray = np.asarray(squares, np.float64).reshape(n_groups, n_cells)
    spread = csr_array((residuals, (keys // size, keys % size // n_cells)), shape=(len(names), n_groups))
    covariance = np.asarray((spread.T @ spread).todense(), np.float64)
    half = _half(np.diag(covariance), parts, sizes, level)
    half = np.where(usable, half, np.nan)
    groups_units = np.unique(codes * n_groups + groups) % n_groups
    return StandardisedMeans(
        value,
        value - half,
        value + half,
        np.bincount(groups, minlength=n_groups),
        np.bincount(groups_units, minlength=n_groups),
        covariance,
        parts,
        sizes,
        level,
    )


def _half(variance: FloatArray, parts: FloatArray, sizes: IntArray, level: float) -> FloatArray:
    """Half-width of the interval of each mean, float64 [G]."""
    degrees = np.array([_degrees(part, size) for part, size in zip(parts, sizes, strict=True)], np.float64)
    return np.asarray(-stdtrit(degrees, (1 - level) / 2) * np.sqrt(variance), np.float64)


def _degrees(parts: FloatArray, sizes: IntArray) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each estimated from a number of units; at least 1."""
    known = sizes >= LEAST_UNITS
    below = float((parts[known] ** 2 / (sizes[known] - 1)).sum())
    if below == 0:  # no variance
        return float(max(int((sizes[known] - 1).sum()), 1))
    return max(float(parts[known].sum()) ** 2 / below, 1.0)


def mean_gaps(found: StandardisedMeans, tested: BoolArray, *, margin: float, alpha: float = 0.05) -> Iterator[MeanGap]:
    """All gaps between the tested groups, as one Holm family.

    tested : bool [G], groups that are large enough; groups without a mean are excluded
    margin : smallest difference of means that matters, above 0

    Verdicts are determined in the same order as for rates: larger than the margin if the interval at 1 - alpha / m lies
    outside it; none larger if that at 1 - 2 alpha / m lies inside; a gap if Holm's p is at most alpha; otherwise not
    enough data. The covariance of groups that share units is taken into account.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> errors = np.concatenate([rng.normal(0, 1, 200), rng.normal(5, 1, 200)])
    >>> groups = np.repeat([0, 1], 200)
    >>> means = standardised_means(errors, np.arange(400), groups, np.zeros(400, np.int64), n_groups=2, shares=np.ones(1))
    >>> [gap.verdict for gap in mean_gaps(means, np.array([True, True]), margin=1.0)]
    ['gap larger than the margin']
    """
    kept = np.flatnonzero(np.asarray(tested) & np.isfinite(found.value))
    first, second = (kept[side] for side in np.triu_indices(len(kept), 1))
    if not len(first):
        return
    difference = found.value[first] - found.value[second]
    variance = np.diag(found.covariance)
    error = np.sqrt(np.maximum(variance[first] + variance[second] - 2 * found.covariance[first, second], 0.0))
    degrees = np.array(
        [
            _degrees(np.concatenate(found.parts[[a, b]]), np.concatenate(found.sizes[[a, b]]))
            for a, b in zip(first, second, strict=True)
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > 0, 2 * stdtr(degrees, -np.abs(difference) / error), np.where(difference == 0, 1.0, 0.0))
    adjusted, m = holm(p), len(p)
    wide, narrow = (_ends(difference, error, degrees, tail) for tail in (alpha / m, 2 * alpha / m))
    beyond = (wide[0] > margin) | (wide[1] < -margin)
    within = (narrow[0] > -margin) & (narrow[1] < margin)
    differs = adjusted <= alpha
    said = verdicts(beyond_margin=beyond, within_margin=within, differs=differs)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(p > 0, alpha * p / adjusted, alpha / m)
    tails = np.select([said == BEYOND, said == WITHIN], [alpha / m, 2 * alpha / m], default=step)
    decided, plain = _ends(difference, error, degrees, tails), _ends(difference, error, degrees, 1 - found.level)
    for k in range(m):
        yield MeanGap(
            int(first[k]),
            int(second[k]),
            float(difference[k]),
            float(plain[0][k]),
            float(plain[1][k]),
            float(p[k]),
            float(adjusted[k]),
            bool(differs[k]),
            str(said[k]),  # type: ignore[arg-type]
            float(decided[0][k]),
            float(decided[1][k]),
            float(1 - tails[k]),
        )


def _ends(
    difference: FloatArray, error: FloatArray, degrees: FloatArray, tails: float | FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Ends of the intervals at level 1 - `tails`."""
    half = np.asarray(-stdtrit(degrees, np.asarray(tails) / 2) * error, np.float64)
    return difference - half, difference + half
