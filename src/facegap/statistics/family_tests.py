"""The tests behind every verdict, of one family of gaps or of many families at once, and the intervals that decided."""

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
class Judged:
    """What the tests say of gaps; arrays [..., k], the last axis the k gaps here of a family of m.

    p             : two-sided, inverts the interval on the margin's scale; NaN where a rate has no interval
    p_adjusted    : Holm's over the family
    differs       : p_adjusted <= alpha
    within_margin : the interval at level 1 - 2 alpha / m lies inside the margin
    beyond_margin : the interval at level 1 - alpha / m, which holds for all m gaps together, lies outside the margin
    """

    p: FloatArray
    p_adjusted: FloatArray
    differs: BoolArray
    within_margin: BoolArray
    beyond_margin: BoolArray


@dataclass(frozen=True, eq=False)
class Decided:
    """The interval that decided each verdict, on the margin's scale, float64 [m] each; NaN where a gap has none."""

    low: FloatArray
    high: FloatArray
    level: FloatArray


def judged(
    sides: Sides,
    shared: FloatArray | float = 0.0,
    *,
    is_ratio: bool,
    margin: float,
    alpha: float,
    others: FloatArray | None = None,
) -> Judged:
    """The tests of every gap.

    sides  : float64 [..., k] each; effective trials of 0 for a rate without an interval
    shared : correlation of the two rates, [..., k] or one number; 0 where groups share no subject
    margin : > 1 for a ratio, in (0, 1) for a difference
    alpha  : false-alarm rate of each family
    others : p of the gaps of the same family that are not here, float64 [..., m - k]; None: all are
    """
    shape = np.shape(sides[0])
    flat = (np.ravel(sides[0]), np.ravel(sides[1]), np.ravel(sides[2]), np.ravel(sides[3]))
    correlation = shared if isinstance(shared, float) else np.ravel(np.broadcast_to(shared, shape))
    p = (ratio_p if is_ratio else difference_p)(*flat, correlation).reshape(shape)
    adjusted, of_one = holm_among(p, others), alpha / max(family_size(p, others), 1)
    within = inside(limits_at(flat, -ndtri(of_one), correlation, is_ratio=is_ratio), margin, is_ratio=is_ratio)
    beyond = outside(limits_at(flat, -ndtri(of_one / 2), correlation, is_ratio=is_ratio), margin, is_ratio=is_ratio)
    return Judged(p, adjusted, adjusted <= alpha, within.reshape(shape), beyond.reshape(shape))


def holm_among(p: FloatArray, others: FloatArray | None = None) -> FloatArray:
    """Holm's p of some gaps of a family, from theirs and that of the others, float64 [..., k].

    Examples
    --------
    >>> holm_among(np.array([0.01, 0.04]), np.array([0.03]))
    array([0.03, 0.06])
    """
    if others is None:
        return holm(p)
    return holm(np.concatenate([p, others], axis=-1))[..., : p.shape[-1]]


def family_size(p: FloatArray, others: FloatArray | None = None) -> int:
    """How many gaps a family has: those here and the others."""
    return len(p.T) + (0 if others is None else len(others.T))


def limits_at(sides: Sides, z: AnyArray | float, shared: AnyArray | float, *, is_ratio: bool) -> Limits:
    """The interval on the margin's scale at the normal quantile z, one for all gaps or one each; arrays [m]."""
    return (ratio_at if is_ratio else difference_at)(*sides, z, shared)


def inside(limits: Limits, margin: float, *, is_ratio: bool) -> BoolArray:
    """Whether an interval lies inside the margin. At level 1 - 2 alpha: two one-sided tests at alpha each."""
    least, most = ends_of(margin, is_ratio=is_ratio)
    return np.asarray((limits[0] > least) & (limits[1] < most))


def outside(limits: Limits, margin: float, *, is_ratio: bool) -> BoolArray:
    """Whether a whole interval lies outside the margin, on one side of it."""
    least, most = ends_of(margin, is_ratio=is_ratio)
    return np.asarray((limits[0] > most) | (limits[1] < least))


def ends_of(margin: float, *, is_ratio: bool) -> tuple[float, float]:
    """Where the margin ends below and above no difference."""
    return (1 / margin, margin) if is_ratio else (-margin, margin)


def deciding_tails(
    verdict: AnyArray, p: FloatArray, p_adjusted: FloatArray, alpha: float, tests: int | None = None
) -> FloatArray:
    """1 less the level of the interval that decided each verdict of one family, float64 [k]; NaN where p is.

    alpha / m for a gap larger than the margin, 2 alpha / m for none larger. Else, and for an exploratory gap, the level of
    Holm's own step, alpha p / p_adjusted: at it the interval excludes "no difference" exactly where p_adjusted <= alpha.

    tests : m, the gaps of the family; None: those here
    """
    of_one = alpha / max(len(p) if tests is None else tests, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(p == 0, of_one, alpha * (p / p_adjusted))
    return np.where(np.isnan(p), np.nan, np.select([verdict == BEYOND, verdict == WITHIN], [of_one, 2 * of_one], step))


def decided(limits: Limits, tails: FloatArray, verdict: AnyArray, differs: BoolArray, *, is_ratio: bool) -> Decided:
    """The deciding intervals, from the limits at `deciding_tails`.

    An interval at Holm's step ends on "no difference" where p_adjusted is alpha, up to the last bits of p and of the
    quantile; there the test has the last word.
    """
    none = 1.0 if is_ratio else 0.0
    low, high = limits
    step = ~np.isin(verdict, (BEYOND, WITHIN))
    excluded = (low > none) | (high < none)
    touching, parted = step & differs & ~excluded, step & ~differs & excluded
    above = (low + high) / 2 > none
    low = np.where(touching & above, np.nextafter(none, np.inf), np.where(parted, np.minimum(low, none), low))
    high = np.where(touching & ~above, np.nextafter(none, -np.inf), np.where(parted, np.maximum(high, none), high))
    return Decided(low, high, 1 - tails)


def z_of(tails: FloatArray) -> FloatArray:
    """The normal quantile of a two-sided interval whose level is 1 less `tails`."""
    return np.asarray(-ndtri(tails / 2), dtype=np.float64)
