"""The tests behind every verdict, of one family of gaps or of many families at once, and the deciding intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.statistics.intervals import difference_at, difference_p
from facegap.statistics.ratios import ratio_at, ratio_p
from facegap.statistics.verdicts import BEYOND, WITHIN, holm
from facegap.types import AnyArray, BoolArray, FloatArray

Sides = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # rate a, effective trials a, rate b, effective trials b
Limits = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class GapTests:
    """Test results; arrays [..., k], the last axis being k of the m gaps of a family.

    p             : two-sided, by inversion of the interval on the margin's scale; NaN if a rate has no interval
    p_adjusted    : adjusted by Holm over the family
    differs       : p_adjusted <= alpha
    within_margin : the interval at level 1 - 2 alpha / m lies inside the margin
    beyond_margin : the interval at level 1 - alpha / m, simultaneous for all m gaps, lies outside the margin
    """

    p: FloatArray
    p_adjusted: FloatArray
    differs: BoolArray
    within_margin: BoolArray
    beyond_margin: BoolArray


@dataclass(frozen=True, eq=False)
class DecidingIntervals:
    """The interval that determined each verdict, on the margin's scale, float64 [m] each; NaN if a gap has none."""

    low: FloatArray
    high: FloatArray
    level: FloatArray


def gap_tests(
    sides: Sides,
    shared: FloatArray | float = 0.0,
    *,
    is_ratio: bool,
    margin: float,
    alpha: float,
    others: FloatArray | None = None,
) -> GapTests:
    """Test every gap.

    sides  : float64 [..., k] each; effective trials are 0 for a rate without an interval
    shared : correlation of the two rates, [..., k] or one number; 0 if groups share no subject
    margin : > 1 for a ratio, in (0, 1) for a difference
    alpha  : false-alarm rate of each family
    others : p-values of the other gaps of the same family, float64 [..., m - k]; None: there are no others
    """
    shape = np.shape(sides[0])
    flat = (np.ravel(sides[0]), np.ravel(sides[1]), np.ravel(sides[2]), np.ravel(sides[3]))
    correlation = shared if isinstance(shared, float) else np.ravel(np.broadcast_to(shared, shape))
    p = (ratio_p if is_ratio else difference_p)(*flat, correlation).reshape(shape)
    adjusted, of_one = holm_among(p, others), alpha / max(family_size(p, others), 1)
    within = inside(limits_at(flat, -ndtri(of_one), correlation, is_ratio=is_ratio), margin, is_ratio=is_ratio)
    beyond = outside(limits_at(flat, -ndtri(of_one / 2), correlation, is_ratio=is_ratio), margin, is_ratio=is_ratio)
    return GapTests(p, adjusted, adjusted <= alpha, within.reshape(shape), beyond.reshape(shape))


def holm_among(p: FloatArray, others: FloatArray | None = None) -> FloatArray:
    """Holm-adjusted p-values of some gaps of a family, given those of the others, float64 [..., k].

    Examples
    --------
    >>> holm_among(np.array([0.01, 0.04]), np.array([0.03]))
    array([0.03, 0.06])
    """
    if others is None:
        return holm(p)
    return holm(np.concatenate([p, others], axis=-1))[..., : p.shape[-1]]


def family_size(p: FloatArray, others: FloatArray | None = None) -> int:
    """Number of gaps of a family: these and the others."""
    return len(p.T) + (0 if others is None else len(others.T))


def limits_at(sides: Sides, z: AnyArray | float, shared: AnyArray | float, *, is_ratio: bool) -> Limits:
    """Interval on the margin's scale at the normal quantile z, one for all gaps or one each; arrays [m]."""
    return (ratio_at if is_ratio else difference_at)(*sides, z, shared)


def inside(limits: Limits, margin: float, *, is_ratio: bool) -> BoolArray:
    """Whether an interval lies inside the margin. At level 1 - 2 alpha: two one-sided tests at alpha each."""
    least, most = ends_of(margin, is_ratio=is_ratio)
    return np.asarray((limits[0] > least) & (limits[1] < most))


def outside(limits: Limits, margin: float, *, is_ratio: bool) -> BoolArray:
    """Whether an interval lies entirely outside the margin, on one side."""
    least, most = ends_of(margin, is_ratio=is_ratio)
    return np.asarray((limits[0] > most) | (limits[1] < least))


def ends_of(margin: float, *, is_ratio: bool) -> tuple[float, float]:
    """The lower and upper end of the margin around no difference."""
    return (1 / margin, margin) if is_ratio else (-margin, margin)


def deciding_tails(
    verdict: AnyArray, p: FloatArray, p_adjusted: FloatArray, alpha: float, tests: int | None = None
) -> FloatArray:
    """1 minus the level of the interval that determined each verdict of a family, float64 [k]; NaN where p is.

    alpha / m for a gap larger than the margin, 2 alpha / m for one within it. Otherwise, and for exploratory gaps, the
    level of Holm's step, alpha p / p_adjusted, at which the interval excludes "no difference" exactly if
    p_adjusted <= alpha.

    tests : m, the number of gaps of the family; None: k
    """
    of_one = alpha / max(len(p) if tests is None else tests, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(p == 0, of_one, alpha * (p / p_adjusted))
    return np.where(np.isnan(p), np.nan, np.select([verdict == BEYOND, verdict == WITHIN], [of_one, 2 * of_one], step))


def deciding_intervals(
    limits: Limits, tails: FloatArray, verdict: AnyArray, differs: BoolArray, *, is_ratio: bool
) -> DecidingIntervals:
    """The deciding intervals, from the limits at `deciding_tails`.

    An interval at Holm's step ends at "no difference" if p_adjusted is alpha, up to rounding of p and of the quantile;
    in that case the test decides.
    """
    none = 1.0 if is_ratio else 0.0
    low, high = limits
    step = ~np.isin(verdict, (BEYOND, WITHIN))
    excluded = (low > none) | (high < none)
    touching, parted = step & differs & ~excluded, step & ~differs & excluded
    above = (low + high) / 2 > none
    low = np.where(touching & above, np.nextafter(none, np.inf), np.where(parted, np.minimum(low, none), low))
    high = np.where(touching & ~above, np.nextafter(none, -np.inf), np.where(parted, np.maximum(high, none), high))
    return DecidingIntervals(low, high, 1 - tails)


def z_of(tails: FloatArray) -> FloatArray:
    """The normal quantile of a two-sided interval at level 1 - `tails`."""
    return np.asarray(-ndtri(tails / 2), dtype=np.float64)
