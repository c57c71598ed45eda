"""Intervals of one proportion, of the difference of two and of their ratio, over arrays of counts.

Counts may be fractional: a rate whose trials are not independent enters with its effective trials, as
errors = rate * effective_trials. Undefined is NaN, never 0 or 1.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, erfc, ndtri

from facegap.errors import StatisticsError
from facegap.types import AnyArray, FloatArray

LONG, THREADS = 20_000, 4

Interval = tuple[Any, Any]  # low, high: floats for scalars in, else float64 arrays


def wilson(errors: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Score interval of each proportion errors / trials.

    errors, trials : numbers or arrays that broadcast, 0 <= errors <= trials, both may be fractional
    returns        : low, high in [0, 1]; NaN where trials is 0 or NaN; floats for scalars
    Raises         : StatisticsError for negative counts, errors > trials, or a level outside (0, 1)
    Source         : Wilson (1927); checked against statsmodels in tests/statistics/test_intervals.py

    Examples
    --------
    >>> low, high = wilson(8, 120)
    >>> round(low, 4), round(high, 4)
    (0.0342, 0.1261)
    """
    errors, trials = checked_counts(errors, trials)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _plain(*wilson_at(errors / trials, trials, two_sided_z(level)))


def clopper_pearson(errors: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Exact interval of each proportion errors / trials: never covers less than `level`, often more.

    Arguments, returns and errors as in `wilson`.
    Source : Clopper and Pearson (1934), through quantiles of the beta distribution; checked against statsmodels

    Examples
    --------
    >>> low, high = clopper_pearson(0, 20)
    >>> low, round(high, 4)
    (0.0, 0.1684)
    """
    errors, trials = checked_counts(errors, trials)
    tail = (1 - _checked_level(level)) / 2
    defined = trials > 0
    low = np.where(errors > 0, _beta_quantile(np.maximum(errors, 1e-300), trials - errors + 1, tail), 0.0)
    high = np.where(errors < trials, _beta_quantile(errors + 1, np.maximum(trials - errors, 1e-300), 1 - tail), 1.0)
    return _plain(np.where(defined, low, np.nan), np.where(defined, high, np.nan))


def newcombe_difference(
    errors_a: ArrayLike, trials_a: ArrayLike, errors_b: ArrayLike, trials_b: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Interval of errors_a / trials_a - errors_b / trials_b for two independent groups, in [-1, 1].

    NaN where either group has no trials. Errors as in `wilson`.
    Source : Newcombe (1998), method 10, from the two Wilson intervals

    Examples
    --------
    >>> low, high = newcombe_difference(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    errors_a, trials_a = checked_counts(errors_a, trials_a)
    errors_b, trials_b = checked_counts(errors_b, trials_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate_a, rate_b = errors_a / trials_a, errors_b / trials_b
    return _plain(*difference_at(rate_a, trials_a, rate_b, trials_b, two_sided_z(level)))


def wilson_at(rate: FloatArray, trials: FloatArray, z: AnyArray | float) -> tuple[FloatArray, FloatArray]:
    """Wilson's limits at the normal quantile z; depends on z and trials only through z * z / trials."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = z * z / trials
        middle = (rate + shrink / 2) / (1 + shrink)
        half = np.sqrt(shrink * rate * (1 - rate) + shrink * shrink / 4) / (1 + shrink)
        # Rounding must not push the limit of a rate of 0 or 1 off the end.
        low = np.where(rate == 0, 0.0, np.maximum(middle - half, 0.0))
        high = np.where(rate == 1, 1.0, np.minimum(middle + half, 1.0))
    undefined = ~(trials > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def difference_at(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    z: AnyArray | float,
    correlation: AnyArray | float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Newcombe's limits of rate_a - rate_b at the normal quantile z.

    correlation : of the two estimates, 0 for groups that share no subject
    Source      : Newcombe (1998), Statistics in Medicine 17, method 10 for independent and for paired proportions
    """
    low_a, high_a = wilson_at(rate_a, trials_a, z)
    low_b, high_b = wilson_at(rate_b, trials_b, z)
    below = _square_and_add(rate_a - low_a, high_b - rate_b, correlation)
    above = _square_and_add(high_a - rate_a, rate_b - low_b, correlation)
    return rate_a - rate_b - below, rate_a - rate_b + above


def difference_p(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    correlation: AnyArray | float = 0.0,
) -> FloatArray:
    """The two-sided p at which Newcombe's interval first reaches 0; 1 where the rates are equal, NaN if undefined."""
    difference = rate_a - rate_b
    low, high = np.zeros_like(difference), np.full_like(difference, 40.0)
    for _ in range(60):  # halving 40 sixty times reaches the last bit of a double
        middle = (low + high) / 2
        lower, upper = difference_at(rate_a, trials_a, rate_b, trials_b, middle, correlation)
        excludes_zero = np.where(difference > 0, lower > 0, upper < 0)
        low, high = np.where(excludes_zero, middle, low), np.where(excludes_zero, high, middle)
    p = np.asarray(erfc(low / np.sqrt(2)), dtype=np.float64)
    return np.where(np.isnan(difference) | ~(trials_a > 0) | ~(trials_b > 0), np.nan, np.where(difference == 0, 1.0, p))


def two_sided_z(level: float) -> float:
    """The normal quantile z with P(|Z| <= z) = level; 1.96 for 0.95."""
    return float(-ndtri((1 - _checked_level(level)) / 2))


def checked_counts(errors: ArrayLike, trials: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float64 of one shape, or a StatisticsError; NaN trials (no effective trials known) pass."""
    errors_, trials_ = np.broadcast_arrays(np.asarray(errors, np.float64), np.asarray(trials, np.float64))
    # The tolerance is for rate * effective_trials, which may end one rounding step above effective_trials.
    wrong = (errors_ < 0) | (trials_ < 0) | (errors_ > trials_ * (1 + 1e-12))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise StatisticsError(
            f"counts at position {where}: {errors_[where]:g} errors in {trials_[where]:g} trials; "
            "give 0 <= errors <= trials"
        )
    return np.minimum(errors_, trials_), trials_


def _beta_quantile(a: FloatArray, b: FloatArray, probability: float) -> FloatArray:
    """Quantile of the beta distribution; long arrays are shared among threads, as scipy takes 2 microseconds each."""
    if a.size < LONG:
        return np.asarray(betaincinv(a, b, probability), dtype=np.float64)
    parts = [np.array_split(side.reshape(-1), THREADS) for side in (a, b)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda x, y: betaincinv(x, y, probability), *parts))
    return np.asarray(np.concatenate(found), dtype=np.float64).reshape(a.shape)


def _square_and_add(first: FloatArray, second: FloatArray, correlation: AnyArray | float) -> FloatArray:
    squared = first * first + second * second - 2 * correlation * first * second
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float64)


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise StatisticsError(f"level {level} is no probability strictly between 0 and 1; 0.95 is usual")
    return level


def _plain(low: FloatArray, high: FloatArray) -> Interval:
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)
