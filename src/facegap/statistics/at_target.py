"""Intervals of a rate "at FMR = x", where the threshold for x is itself estimated.

The rate at the estimated threshold has its own interval. Another sample of subjects would give another threshold, and
hence another rate. The two sources of error are combined as the root sum of squares of the arms of their intervals, on
the log scale for false matches and on the scale of the rate for false non-matches (Zou and Donner's MOVER). If the
threshold was set on the evaluation set itself, by folds or in-sample, the two errors are correlated: subjects with many
false matches also raise the threshold, which removes matches again. The sum includes that correlation. An interval is
never narrower than that of the rate at the fixed threshold.
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
    """How far the FMR may be from its target at the estimated threshold, as factors: down <= 1 <= up."""

    down: float
    up: float


def target_factors(low: float, high: float, targets: ArrayLike) -> TargetFactors:
    """Factors of an FMR whose interval on the threshold set is [low, high], for one or several targets.

    low, high : 0 < low <= high <= 1

    Examples
    --------
    >>> target_factors(0.0005, 0.002, [0.001])
    TargetFactors(down=0.5, up=2.0)
    """
    wanted = np.atleast_1d(np.asarray(targets, np.float64))
    return TargetFactors(min(1.0, float(wanted.min()) / high), max(1.0, float(wanted.max()) / low))


def false_matches_at_target(rate: Rate, factors: TargetFactors, *, correlation: float = 0.0) -> Rate:
    """A false match rate at the estimated threshold, with its interval at the target FMR.

    factors     : effect of threshold error on the false match rate of the threshold set; that on this group is proportional
    correlation : of this rate with that of the threshold set, through common subjects; 0 if the subjects are disjoint
    returns     : the same rate with wider limits. With no errors, or only errors, the limits are unchanged: they depend
                  only on the number of subjects and are already wide

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
    """A false non-match rate at the estimated threshold, with its interval at the target FMR.

    lower, higher : decrease and increase of the rate at the lowest and the highest threshold of the interval, >= 0
    correlation   : of this rate with the false match rate of the threshold set, through common subjects
    returns       : the same rate with wider limits; NaN limits stay NaN

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
    """One arm of the joint interval, at least as long as the rate's own."""
    if math.isinf(own):
        return own
    added = of_threshold**2 + 2 * correlation * own * of_threshold
    return math.sqrt(own**2 + max(added, 0.0))
