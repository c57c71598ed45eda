"""The two tests behind every verdict, of one family of gaps or of many families at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.statistics.intervals import difference_at, difference_p
from facegap.statistics.ratios import ratio_at, ratio_p
from facegap.statistics.verdicts import holm
from facegap.types import AnyArray, BoolArray, FloatArray

Sides = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # rate a, effective trials a, rate b, effective trials b


@dataclass(frozen=True, eq=False)
class Judged:
    """What the tests say of gaps; arrays [..., m], the last axis the m gaps of one family.

    p             : two-sided, inverts the interval on the margin's scale; NaN where a rate has no interval
    p_adjusted    : Holm's over the family
    differs       : p_adjusted <= alpha
    within_margin : the interval at level 1 - 2 alpha / m lies inside the margin
    """

    p: FloatArray
    p_adjusted: FloatArray
    differs: BoolArray
    within_margin: BoolArray


def judged(sides: Sides, shared: FloatArray | float = 0.0, *, is_ratio: bool, margin: float, alpha: float) -> Judged:
    """Both tests of every gap.

    sides  : float64 [..., m] each; effective trials of 0 for a rate without an interval
    shared : correlation of the two rates, [..., m] or one number; 0 where groups share no subject
    margin : > 1 for a ratio, in (0, 1) for a difference
    alpha  : false-alarm rate of each family
    """
    shape = np.shape(sides[0])
    flat = (np.ravel(sides[0]), np.ravel(sides[1]), np.ravel(sides[2]), np.ravel(sides[3]))
    correlation = shared if isinstance(shared, float) else np.ravel(np.broadcast_to(shared, shape))
    p = (ratio_p if is_ratio else difference_p)(*flat, correlation).reshape(shape)
    adjusted = holm(p)
    within = _inside_margin(flat, correlation, is_ratio, margin, alpha / max(shape[-1], 1))
    return Judged(p, adjusted, adjusted <= alpha, within.reshape(shape))


def _inside_margin(sides: Sides, shared: AnyArray | float, is_ratio: bool, margin: float, alpha: float) -> BoolArray:
    """Whether the interval at level 1 - 2 alpha lies inside the margin: two one-sided tests at alpha each."""
    z = float(-ndtri(alpha))
    if is_ratio:
        low, high = ratio_at(*sides, z, shared)
        return np.asarray((low > 1 / margin) & (high < margin))
    low, high = difference_at(*sides, z, shared)
    return np.asarray((low > -margin) & (high < margin))
