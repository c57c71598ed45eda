"""Intervals and p of the ratio of two proportions: Katz where both groups have errors, else Koopman.

There is no invented epsilon: with no error on one side the score interval is still defined and honest (it may reach
infinity); with no error on both sides the ratio itself is NaN and the interval is everything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfc

from facegap.statistics.intervals import Interval, checked_counts, two_sided_z
from facegap.types import AnyArray, BoolArray, FloatArray


def ratio_interval(
    errors_a: ArrayLike, trials_a: ArrayLike, errors_b: ArrayLike, trials_b: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Interval of (errors_a / trials_a) / (errors_b / trials_b) for two independent groups, in [0, inf].

    Scalars or arrays that broadcast; trials may be fractional. Katz's log interval where both groups have both errors
    and successes, else Koopman's score interval: (0, finite) with no error in a, (positive, inf) with none in b,
    (0, inf) with none in either. NaN where a group has no trials.
    Raises : StatisticsError as `wilson` does
    Source : Katz et al. (1978); Koopman (1984); Koopman checked against statsmodels' score interval

    Examples
    --------
    >>> low, high = ratio_interval(12, 400, 4, 400)
    >>> round(low, 2), round(high, 2)
    (0.98, 9.22)
    """
    errors_a, trials_a = checked_counts(errors_a, trials_a)
    errors_b, trials_b = checked_counts(errors_b, trials_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        arrays = np.broadcast_arrays(errors_a / trials_a, trials_a, errors_b / trials_b, trials_b)
    flat = [np.atleast_1d(np.asarray(array, np.float64)) for array in arrays]
    low, high = ratio_at(flat[0], flat[1], flat[2], flat[3], two_sided_z(level))
    return (float(low[0]), float(high[0])) if arrays[0].ndim == 0 else (low, high)


def ratio_at(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    z: AnyArray | float,
    correlation: AnyArray | float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Limits of rate_a / rate_b at the normal quantile z; arrays of one shape, at least one-dimensional.

    correlation : of the two estimates; it narrows or widens Katz's interval and is not used by Koopman's, which is
                  needed only where a side has no errors and a correlation cannot be known
    """
    log_ratio, error = _katz(rate_a, trials_a, rate_b, trials_b, correlation)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = np.exp(log_ratio - z * error), np.exp(log_ratio + z * error)
    score = ~_inner(rate_a) | ~_inner(rate_b)
    if score.any():
        z_rows = np.broadcast_to(np.asarray(z, np.float64), rate_a.shape)[score]
        low[score], high[score] = _koopman(rate_a[score], trials_a[score], rate_b[score], trials_b[score], z_rows)
    undefined = ~(trials_a > 0) | ~(trials_b > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def ratio_p(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    correlation: AnyArray | float = 0.0,
) -> FloatArray:
    """The two-sided p at which the ratio's interval first reaches 1; 1 where the rates are equal, NaN if undefined."""
    log_ratio, error = _katz(rate_a, trials_a, rate_b, trials_b, correlation)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(log_ratio == 0, 0.0, np.abs(log_ratio) / error)
    score = ~_inner(rate_a) | ~_inner(rate_b)
    z[score] = np.sqrt(_score(rate_a, trials_a, rate_b, trials_b, np.ones_like(rate_a)))[score]
    p = np.asarray(erfc(z / np.sqrt(2)), dtype=np.float64)
    undefined = ~(trials_a > 0) | ~(trials_b > 0)
    return np.where(undefined, np.nan, p)


def _katz(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray, correlation: AnyArray | float
) -> tuple[FloatArray, FloatArray]:
    """log(rate_a / rate_b) and its standard error by the delta method; not finite where a rate is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(rate_a) - np.log(rate_b)
        error_a = np.sqrt((1 - rate_a) / (rate_a * trials_a))
        error_b = np.sqrt((1 - rate_b) / (rate_b * trials_b))
        squared = error_a**2 + error_b**2 - 2 * correlation * error_a * error_b
        return log_ratio, np.sqrt(np.maximum(squared, 0.0))


def _koopman(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray, z: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Limits at which the score statistic equals z squared, by halving on the log of the ratio."""
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where((rate_a == 0) & (rate_b == 0), 1.0, rate_a / rate_b)
    # Both limits in one pass: the lower one in the first half of each array, the upper one in the second.
    sides = [np.tile(side, 2) for side in (rate_a, trials_a, rate_b, trials_b)]
    accepted = np.tile(np.log(np.clip(estimate, 1e-25, 1e25)), 2)
    refused = np.repeat([-60.0, 60.0], len(estimate))
    for _ in range(60):
        middle = (accepted + refused) / 2
        inside = _score(sides[0], sides[1], sides[2], sides[3], np.exp(middle)) <= np.tile(z * z, 2)
        accepted, refused = np.where(inside, middle, accepted), np.where(inside, refused, middle)
    low, high = np.exp(accepted).reshape(2, -1)
    return np.where(rate_a == 0, 0.0, low), np.where(rate_b == 0, np.inf, high)


def _score(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray, ratio: FloatArray
) -> FloatArray:
    """Koopman's chi-square with one degree of freedom for the hypothesis rate_a / rate_b = ratio.

    The rates most likely under the hypothesis solve a quadratic; its smaller root is the one inside [0, 1].
    """
    errors_a, errors_b = rate_a * trials_a, rate_b * trials_b
    first = (trials_a + trials_b) * ratio
    middle = -(ratio * (trials_a + errors_b) + errors_a + trials_b)
    last = errors_a + errors_b
    root = np.sqrt(np.maximum(middle * middle - 4 * first * last, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted_b = 2 * last / (-middle + root)  # the form that does not cancel when `first` is tiny
        fitted_a = np.minimum(fitted_b * ratio, 1.0)
        part_a = (errors_a - trials_a * fitted_a) ** 2 / (trials_a * fitted_a * (1 - fitted_a))
        part_b = (errors_b - trials_b * fitted_b) ** 2 / (trials_b * fitted_b * (1 - fitted_b))
    # 0 / 0 is a side that the hypothesis fits without any doubt left: it adds nothing.
    return np.asarray(np.nan_to_num(part_a, nan=0.0) + np.nan_to_num(part_b, nan=0.0), dtype=np.float64)


def _inner(rate: FloatArray) -> BoolArray:
    return (rate > 0) & (rate < 1)
