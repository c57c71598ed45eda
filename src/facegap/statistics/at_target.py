"""Intervals of a rate "at FMR = x", where the threshold for x is itself estimated.

The rate at the threshold that was found has its own interval. The threshold would have been another on other people, and
with it the rate. Both errors are put together by squaring and adding the arms of their intervals, on the log scale for
false matches and on that of the rate for false non-matches (Zou and Donner's MOVER). Where the threshold was set on the
evaluation set itself, by folds or in-sample, chance moves both together: people with many false matches raise the
threshold too, which takes matches away again. That correlation is part of the sum. An interval is never narrower than
that of the rate at the threshold as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from facegap.types import Rate

THRESHOLD_INCLUDED = ", threshold uncertainty included"


@dataclass(frozen=True)
class TargetFactors:
    """By how much the FMR at the target may differ from that at the threshold found, as factors: down <= 1 <= up."""

    down: float
    up: float


def target_factors(low: float, high: float, targets: ArrayLike) -> TargetFactors:
    """The factors of an FMR whose interval on the threshold set is [low, high], for one target or several.

    low, high : 0 < low <= high <= 1

    Examples
    --------
    >>> target_factors(0.0005, 0.002, [0.001])
    TargetFactors(down=0.5, up=2.0)
    """
    wanted = np.atleast_1d(np.asarray(targets, np.float64))
    return TargetFactors(min(1.0, float(wanted.min()) / high), max(1.0, float(wanted.max()) / low))


def false_matches_at_target(rate: Rate, factors: TargetFactors, *, correlation: float = 0.0) -> Rate:
    """A false match rate at the threshold found, with the interval that it has at the target.

    factors     : what the threshold may do to the false match rate of its threshold set; this group's moves in proportion
    correlation : of this rate with that of the threshold set, through people of both; 0 where they are other people
    returns     : the rate as it is, with wider limits. No error, or nothing but errors: as it is, because then the limits
                  come from a number of people alone and are wide already

    Source : Zou and Donner (2008), MOVER, with correlation; the logarithm of the rate

    Examples
    --------
    >>> wide = false_matches_at_target(Rate(10, 10_000, low=0.0005, high=0.002), TargetFactors(0.5, 2.0))
    >>> round(wide.low, 6), round(wide.high, 6)
    (0.000375, 0.002665)
    """
    if not 0 < rate.errors < rate.trials or math.isnan(rate.low):
        return rate
    up, down = math.log(factors.up), -math.log(factors.down)
    below = math.inf if rate.low <= 0 else math.log(rate.value / rate.low)
    above = math.log(rate.high / rate.value)
    low = rate.value * math.exp(-joined(below, down, -correlation))
    high = min(rate.value * math.exp(joined(above, up, -correlation)), 1.0)
    return replace(rate, low=low, high=high, method=rate.method + THRESHOLD_INCLUDED)


def false_non_matches_at_target(rate: Rate, *, lower: float, higher: float, correlation: float = 0.0) -> Rate:
    """A false non-match rate at the threshold found, with the interval that it has at the target.

    lower, higher : how much smaller and larger the rate is at the lowest and the highest threshold of the interval, >= 0
    correlation   : of this rate with the false match rate of the threshold set, through people of both
    returns       : the rate as it is, with wider limits; NaN limits stay

    Source : Zou and Donner (2008), MOVER, with correlation

    Examples
    --------
    >>> wide = false_non_matches_at_target(Rate(10, 100, low=0.07, high=0.14), lower=0.04, higher=0.03)
    >>> round(wide.low, 4), round(wide.high, 4)
    (0.05, 0.15)
    """
    if math.isnan(rate.low) or not rate.trials:
        return rate
    low = max(rate.value - joined(rate.value - rate.low, lower, correlation), 0.0)
    high = min(rate.value + joined(rate.high - rate.value, higher, correlation), 1.0)
    return replace(rate, low=low, high=high, method=rate.method + THRESHOLD_INCLUDED)


def joined(own: float, of_threshold: float, correlation: float) -> float:
    """One arm of the joint interval; never shorter than the rate's own."""
    if math.isinf(own):
        return own
    added = of_threshold**2 + 2 * correlation * own * of_threshold
    return math.sqrt(own**2 + max(added, 0.0))
