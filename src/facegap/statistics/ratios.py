"""Intervals and p-values of the ratio of two proportions.

`ratio_interval` is the published one: Katz's if both groups have errors, else Koopman's. Gaps are tested by `ratio_at`,
built from the same limits of each rate as the difference (statistics/intervals.py): it excludes 1 exactly if the
interval of the difference excludes 0, so a gap has the same p on either scale, and there is no jump when a group has no
errors. A test by Katz's interval has size 0.10 for 20 people against 5,000 at nominal 0.05.

No constant is added to zero counts: with no error in one group the interval is still defined (it may reach infinity);
with no error in both groups the ratio is NaN and the interval is [0, inf].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facegap.statistics.intervals import (
    Interval,
    checked_counts,
    difference_p,
    rare_error_limits,
    shared_arms,
    two_sided_z,
)
from facegap.types import AnyArray, BoolArray, FloatArray


def ratio_interval(
    errors_a: ArrayLike, trials_a: ArrayLike, errors_b: ArrayLike, trials_b: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Interval of (errors_a / trials_a) / (errors_b / trials_b) for two independent groups, in [0, inf].

    Scalars or arrays, broadcast against each other; trials may be fractional. Katz's log interval if both groups have
    both errors and successes, else Koopman's score interval: (0, finite) with no error in a, (positive, inf) with none
    in b, (0, inf) with none in either. NaN where a group has no trials.

    Raises
    ------
    StatisticsError
        As in `wilson`.

    References
    ----------
    Katz et al. (1978); Koopman (1984); Koopman checked against statsmodels' score interval.

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
    low, high = katz_koopman_at(flat[0], flat[1], flat[2], flat[3], two_sided_z(level))
    return (float(low[0]), float(high[0])) if arrays[0].ndim == 0 else (low, high)


def gap_ratio(
    errors_a: ArrayLike, trials_a: ArrayLike, errors_b: ArrayLike, trials_b: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Interval of (errors_a / trials_a) / (errors_b / trials_b) as in gaps.csv, for two independent groups.

    It excludes 1 exactly if `gap_difference` excludes 0. Arguments, returns and errors as in `ratio_interval`.

    Examples
    --------
    >>> low, high = gap_ratio(12, 400, 4, 400)
    >>> round(low, 2), round(high, 2)
    (0.97, 10.66)
    """
    errors_a, trials_a = checked_counts(errors_a, trials_a)
    errors_b, trials_b = checked_counts(errors_b, trials_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = ratio_at(errors_a / trials_a, trials_a, errors_b / trials_b, trials_b, two_sided_z(level))
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def ratio_at(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    z: AnyArray | float,
    correlation: AnyArray | float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Limits of rate_a / rate_b at the normal quantile z: the ratios R at which the interval of a - R b ends at 0.

    correlation : of the two estimates, 0 for groups that share no subject
    returns     : (0, finite) with no error in a, (positive, inf) with none in b, (0, inf) with none in either; NaN
                  where a group has no trials
    Source      : Donner and Zou (2012), Statistical Methods in Medical Research 21, from the limits of each rate in
                  `rare_error_limits`
    """
    low_a, high_a = rare_error_limits(rate_a, trials_a, z)
    low_b, high_b = rare_error_limits(rate_b, trials_b, z)
    factor = shared_arms(rate_a, trials_a, rate_b, trials_b, correlation)
    low, _ = _ratios_at_arms(rate_a, factor * (rate_a - low_a), rate_b, factor * (high_b - rate_b))
    _, high = _ratios_at_arms(rate_a, factor * (high_a - rate_a), rate_b, factor * (rate_b - low_b))
    undefined = ~(trials_a > 0) | ~(trials_b > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def ratio_p(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    correlation: AnyArray | float = 0.0,
) -> FloatArray:
    """The two-sided p-value at which the interval of the ratio first reaches 1, and that of the difference 0."""
    return difference_p(rate_a, trials_a, rate_b, trials_b, correlation)


def katz_koopman_at(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray, z: AnyArray | float
) -> tuple[FloatArray, FloatArray]:
    """Limits of rate_a / rate_b at the normal quantile z; arrays of one shape, at least one-dimensional."""
    log_ratio, error = _katz(rate_a, trials_a, rate_b, trials_b)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = np.exp(log_ratio - z * error), np.exp(log_ratio + z * error)
    score = ~_inner(rate_a) | ~_inner(rate_b)
    if score.any():
        z_rows = np.broadcast_to(np.asarray(z, np.float64), rate_a.shape)[score]
        low[score], high[score] = _koopman(rate_a[score], trials_a[score], rate_b[score], trials_b[score], z_rows)
    undefined = ~(trials_a > 0) | ~(trials_b > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def _ratios_at_arms(
    rate_a: FloatArray, arm_a: FloatArray, rate_b: FloatArray, arm_b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Both solutions R of (a - R b)^2 = arm_a^2 + (R arm_b)^2, the smaller first.

    The smaller is 0 if arm_a reaches 0, and the larger infinite if arm_b does. The formula of the smaller also holds if
    arm_b exceeds b.
    """
    constant, square = (rate_a - arm_a) * (rate_a + arm_a), (rate_b - arm_b) * (rate_b + arm_b)
    product = rate_a * rate_b
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(product * product - constant * square, 0.0))
        low, high = constant / (product + root), (product + root) / square
    return np.where(constant <= 0, 0.0, low), np.where(square <= 0, np.inf, high)


def _katz(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """log(rate_a / rate_b) and its standard error by the delta method; not finite where a rate is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(rate_a) - np.log(rate_b)
        return log_ratio, np.sqrt((1 - rate_a) / (rate_a * trials_a) + (1 - rate_b) / (rate_b * trials_b))


def _koopman(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray, z: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Limits at which the score statistic equals z squared, by bisection on the log of the ratio."""
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where((rate_a == 0) & (rate_b == 0), 1.0, rate_a / rate_b)
    # Both limits in one pass: the lower in the first half of each array, the upper in the second.
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

    The maximum likelihood rates under the hypothesis solve a quadratic; its smaller root is in [0, 1].
    """
    errors_a, errors_b = rate_a * trials_a, rate_b * trials_b
    first = (trials_a + trials_b) * ratio
    middle = -(ratio * (trials_a + errors_b) + errors_a + trials_b)
    last = errors_a + errors_b
    root = np.sqrt(np.maximum(middle * middle - 4 * first * last, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted_b = 2 * last / (-middle + root)  # the form without cancellation if `first` is tiny
        fitted_a = np.minimum(fitted_b * ratio, 1.0)
        part_a = (errors_a - trials_a * fitted_a) ** 2 / (trials_a * fitted_a * (1 - fitted_a))
        part_b = (errors_b - trials_b * fitted_b) ** 2 / (trials_b * fitted_b * (1 - fitted_b))
    # 0 / 0 is a group that the hypothesis fits exactly: it adds nothing.
    return np.asarray(np.nan_to_num(part_a, nan=0.0) + np.nan_to_num(part_b, nan=0.0), dtype=np.float64)


def _inner(rate: FloatArray) -> BoolArray:
    return (rate > 0) & (rate < 1)
