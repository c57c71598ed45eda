"""Widened intervals of gaps on one scale, around the gap of the labels and the mean over resampled labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import erfc, ndtr, stdtrit

from facegap.statistics.bisection import bisected
from facegap.statistics.family_tests import Limits, Sides
from facegap.statistics.label_uncertainty.probabilities import rubin
from facegap.types import AnyArray, BoolArray, FloatArray

LARGEST_FREEDOM = 1e9  # beyond it Student's t is numerically normal


@dataclass(frozen=True, eq=False)
class Widened:
    """Gaps on one scale (differences, or logs of ratios) with their widened intervals, [m] each.

    narrow_low, narrow_high : the interval that must lie inside the margin; wide_low, wide_high : the one that must lie
                              outside it
    p                       : NaN on the scale that is not that of the verdict
    certain                 : every resample repeats the labels
    own, between, freedom, stretch : arguments of `interval_around` for an interval at another level
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    narrow_low: FloatArray
    narrow_high: FloatArray
    wide_low: FloatArray
    wide_high: FloatArray
    certain: BoolArray
    own: FloatArray
    between: FloatArray
    freedom: FloatArray
    stretch: FloatArray


def widened_on_scale(
    estimate: Callable[[Sides], FloatArray],
    limits: Callable[[Sides, AnyArray | float], Limits],
    plain: Sides,
    draws: Sides,
    quantiles: tuple[float, float, float],
    *,
    needs_p: bool,
) -> Widened:
    """The interval of every gap on one scale, and the p at which it reaches zero. draws : Sides of [M, m]"""
    z, narrow, wide = quantiles
    own = estimate(plain)
    with np.errstate(invalid="ignore", divide="ignore"):
        (low, high), (drawn_low, drawn_high) = limits(plain, z), limits(draws, z)
        found = rubin(estimate(draws), ((drawn_high - drawn_low) / (2 * z)) ** 2)
        # Resampled labels may add subjects of another group to a small group, which is no information about the small one.
        stretch = np.sqrt(np.maximum(found.within / ((high - low) / (2 * z)) ** 2, 1.0))
    certain = np.all([equal_or_nan(draws[k], plain[k]).all(axis=0) for k in range(4)], axis=0)

    def at(quantile: AnyArray | float) -> Limits:
        low, high = limits(plain, quantile)
        around = interval_around(
            own, (low, high), found.estimate, found.between, found.freedom, len(draws[0]), stretch, quantile
        )
        return np.where(certain, low, around[0]), np.where(certain, high, around[1])

    p = np.where(np.isnan(found.estimate), np.nan, p_of(at, len(own))) if needs_p else np.full(len(own), np.nan)
    kept = (own, found.between, found.freedom, stretch)
    return Widened(found.estimate, *at(z), p, *at(narrow), *at(wide), certain, *kept)


def equal_or_nan(first: FloatArray, second: FloatArray) -> BoolArray:
    """Whether numbers are equal, treating NaN as equal to NaN."""
    return np.asarray((first == second) | (np.isnan(first) & np.isnan(second)))


def interval_around(
    own: FloatArray,
    plain: Limits,
    mean: FloatArray,
    between: FloatArray,
    freedom: FloatArray,
    draws: int,
    stretch: FloatArray,
    z: AnyArray | float,
) -> Limits:
    """The interval at the normal quantile z: Rubin's arms around the gap of the labels and around the mean over resamples.

    The arms keep the shape of the unadjusted interval (which is not symmetric); the variance between resamples is added
    to their squares, and Student's t replaces z. NaN if the unadjusted estimate is not finite.
    """
    below, above = plain
    with np.errstate(invalid="ignore", over="ignore"):
        wider = -stdtrit(np.minimum(freedom, LARGEST_FREEDOM), ndtr(-z)) / z
        added = z**2 * (1 + 1 / draws) * between
        down, up = (np.sqrt((stretch * arm) ** 2 + added) * wider for arm in (own - below, above - own))
        low, high = np.minimum(own, mean) - down, np.maximum(own, mean) + up
        # Rounding must not make the widened interval narrower than the unadjusted one.
        low, high = np.minimum(low, below), np.maximum(high, above)
    defined = np.isfinite(own)  # a ratio to a rate of 0 has no centre for either arm
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def p_of(at: Callable[[AnyArray | float], Limits], size: int) -> FloatArray:
    """The two-sided p at which the interval first reaches zero."""

    def apart(z: FloatArray) -> BoolArray:
        below, above = at(z)
        return (below > 0) | (above < 0)

    beyond = np.full(size, 37.0)  # where the normal tail underflows
    low, _ = bisected(apart, np.zeros(size), beyond, 60)
    return np.asarray(erfc(low / np.sqrt(2)), dtype=np.float64)


def joined(blocks: Sequence[Widened]) -> Widened:
    """Concatenate blocks of gaps."""
    return Widened(*(np.concatenate([getattr(block, f.name) for block in blocks]) for f in fields(Widened)))
