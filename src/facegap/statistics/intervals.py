"""Intervals of one proportion and of the difference of two, over arrays of counts.

Counts may be fractional: for a rate with dependent trials, pass its effective trials and
errors = rate * effective_trials. An undefined limit is NaN, never 0 or 1.

`wilson`, `clopper_pearson` and `newcombe_difference` are the published formulas. Gaps are tested by `difference_at` and
`difference_p` (and by `ratio_at`, statistics/ratios.py), because Wilson's lower limit is too high if errors are rare:
with 1 error in n it is 0.18 / n, although at that rate an error still has probability 0.16. A test of 20 people against
5,000 by Newcombe's interval has size 0.121 at nominal 0.05 (benchmarks/rare_errors.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, erfc, ndtri, xlogy

from facegap.errors import StatisticsError
from facegap.types import AnyArray, FloatArray

LONG, THREADS = 20_000, 4
NEWTON_STEPS = 4  # from the starting values in `_likelihood_low`, to double precision
HALVINGS = 52

Interval = tuple[Any, Any]  # low, high: floats for scalar input, else float64 arrays


def wilson(errors: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Interval:
    """Score interval of each proportion errors / trials.

    Parameters
    ----------
    errors, trials
        Numbers or arrays, broadcast against each other, 0 <= errors <= trials; both may be fractional.

    Returns
    -------
    Interval
        Low and high in [0, 1]; NaN where trials is 0 or NaN; floats for scalars.

    Raises
    ------
    StatisticsError
        If a count is negative, errors > trials, or the level is outside (0, 1).

    References
    ----------
    Wilson (1927); checked against statsmodels in tests/statistics/test_intervals.py.

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
    """Exact interval of each proportion errors / trials, with coverage of at least `level`.

    Arguments, returns and errors as in `wilson`.

    References
    ----------
    Clopper and Pearson (1934), by quantiles of the beta distribution; checked against statsmodels.

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

    NaN where either group has no trials. Raises the errors of `wilson`.

    References
    ----------
    Newcombe (1998), method 10, from the two Wilson intervals.

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
    z = two_sided_z(level)
    return _plain(*_joined(rate_a, wilson_at(rate_a, trials_a, z), rate_b, wilson_at(rate_b, trials_b, z), 1.0))


def gap_difference(
    errors_a: ArrayLike, trials_a: ArrayLike, errors_b: ArrayLike, trials_b: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Interval of errors_a / trials_a - errors_b / trials_b as in gaps.csv, for two independent groups.

    Newcombe's construction with the limits of `rare_error_limits`: slightly wider than `newcombe_difference`, and the
    corresponding test keeps its size if errors are rare. Arguments, returns and errors as in `newcombe_difference`.

    Examples
    --------
    >>> low, high = gap_difference(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0496, 0.3377)
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
        # Rounding must not move the limit of a rate of 0 or 1 away from it.
        low = np.where(rate == 0, 0.0, np.maximum(middle - half, 0.0))
        high = np.where(rate == 1, 1.0, np.minimum(middle + half, 1.0))
    undefined = ~(trials > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def rare_error_limits(rate: FloatArray, trials: FloatArray, z: AnyArray | float) -> tuple[FloatArray, FloatArray]:
    """Limits of each rate used for gaps: the wider of the score and the likelihood limits, at z sqrt(1 + 1/n).

    With few errors the lower score (Wilson) limit is too high and the upper correct; the lower likelihood limit is
    correct and the upper too low. If most trials are errors, the reverse holds. The factor corresponds to one trial;
    without it, a test of 20 trials against thousands has size 0.061 at rates near 0.4.

    returns : low, high in [0, 1]; NaN where trials is not positive
    Source  : Wilson (1927); Wilks (1938) for the likelihood ratio, 2 n KL(rate, limit) = z^2
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = z * np.sqrt(1 + 1 / trials)
    rate, trials, wider = np.broadcast_arrays(rate, trials, wider)
    low, high = wilson_at(rate, trials, wider)
    from_rate, from_one = _likelihood_low(np.stack([rate, 1 - rate]), trials, wider)
    return np.minimum(low, from_rate), np.maximum(high, 1 - from_one)


def difference_at(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    z: AnyArray | float,
    correlation: AnyArray | float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Limits of rate_a - rate_b at the normal quantile z, from the limits of each rate in `rare_error_limits`.

    correlation : of the two estimates, 0 for groups that share no subject
    Source      : Newcombe (1998), Statistics in Medicine 17, method 10; Zou and Donner (2008), Statistics in Medicine
    27,
                  for limits other than Wilson's
    """
    limits_a, limits_b = rare_error_limits(rate_a, trials_a, z), rare_error_limits(rate_b, trials_b, z)
    return _joined(rate_a, limits_a, rate_b, limits_b, shared_arms(rate_a, trials_a, rate_b, trials_b, correlation))


def shared_arms(
    rate_a: FloatArray, trials_a: FloatArray, rate_b: FloatArray, trials_b: FloatArray, correlation: AnyArray | float
) -> AnyArray | float:
    """Factor by which a correlation of two estimates changes the arms of an interval of their gap; 1 if uncorrelated.

    It is the ratio of the standard errors of the difference with and without the correlation. Newcombe's paired formula
    instead subtracts 2 correlation below above from the square of each arm, which is equivalent in large samples; but
    if one arm is much longer than the other, that interval shrinks as z grows, so it cannot be inverted to a p-value.
    """
    if np.ndim(correlation) == 0 and correlation == 0:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        square_a, square_b = rate_a * (1 - rate_a) / trials_a, rate_b * (1 - rate_b) / trials_b
        covered = 2 * np.sqrt(square_a * square_b) / (square_a + square_b)
    return np.sqrt(np.maximum(1 - correlation * np.nan_to_num(covered), 1e-12))


def difference_p(
    rate_a: FloatArray,
    trials_a: FloatArray,
    rate_b: FloatArray,
    trials_b: FloatArray,
    correlation: AnyArray | float = 0.0,
) -> FloatArray:
    """The two-sided p-value at which the interval of the difference first reaches 0, and that of the ratio 1.

    returns : 1 if the rates are equal, NaN if undefined

    The arms of the interval, down from the higher rate and up from the lower one, reach no difference if
    below^2 + above^2 = difference^2. The angle between them is bisected until both limits have the same z; the z of
    each limit has a closed form.
    """
    a_is_higher = rate_a >= rate_b
    higher, lower = np.where(a_is_higher, rate_a, rate_b), np.where(a_is_higher, rate_b, rate_a)
    n_higher, n_lower = np.where(a_is_higher, trials_a, trials_b), np.where(a_is_higher, trials_b, trials_a)
    difference = higher - lower
    length = difference / shared_arms(rate_a, trials_a, rate_b, trials_b, correlation)
    first, last = np.zeros_like(difference), np.full_like(difference, np.pi / 2)
    squared = np.zeros_like(difference)
    rates, trials = np.stack([higher, 1 - lower]), np.stack([n_higher, n_lower])
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(HALVINGS if difference.size else 0):
            angle = (first + last) / 2
            arms = length * np.stack([np.cos(angle), np.sin(angle)])
            z_below, z_above = _squared_z(rates, trials, rates - arms)
            # If both arms leave [0, 1], only their ratio shows which is too long.
            both = np.isinf(z_below) & np.isinf(z_above)
            below_is_longer = np.where(both, arms[0] * (1 - lower) > arms[1] * higher, z_below > z_above)
            first, last = np.where(below_is_longer, angle, first), np.where(below_is_longer, last, angle)
            squared = np.minimum(z_below, z_above)
    p = np.asarray(erfc(np.sqrt(squared / 2)), dtype=np.float64)
    undefined = np.isnan(difference) | ~(trials_a > 0) | ~(trials_b > 0)
    return np.where(undefined, np.nan, np.where(difference == 0, 1.0, p))


def two_sided_z(level: float) -> float:
    """The normal quantile z with P(|Z| <= z) = level; 1.96 for 0.95."""
    return float(-ndtri((1 - _checked_level(level)) / 2))


def checked_counts(errors: ArrayLike, trials: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float64 of one shape, or a StatisticsError; NaN trials (effective trials unknown) are accepted."""
    errors_, trials_ = np.broadcast_arrays(np.asarray(errors, np.float64), np.asarray(trials, np.float64))
    # The tolerance is for rate * effective_trials, which rounding may put just above effective_trials.
    wrong = (errors_ < 0) | (trials_ < 0) | (errors_ > trials_ * (1 + 1e-12))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise StatisticsError(
            f"counts at position {where}: {errors_[where]:g} errors in {trials_[where]:g} trials; "
            "give 0 <= errors <= trials"
        )
    return np.minimum(errors_, trials_), trials_


def _beta_quantile(a: FloatArray, b: FloatArray, probability: float) -> FloatArray:
    """Quantile of the beta distribution; long arrays are split over threads, as scipy takes 2 microseconds per value."""
    if a.size < LONG:
        return np.asarray(betaincinv(a, b, probability), dtype=np.float64)
    parts = [np.array_split(side.reshape(-1), THREADS) for side in (a, b)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda x, y: betaincinv(x, y, probability), *parts))
    return np.asarray(np.concatenate(found), dtype=np.float64).reshape(a.shape)


def _likelihood_low(rate: FloatArray, trials: FloatArray, z: AnyArray | float) -> FloatArray:
    """The lower limit of each rate, where the likelihood ratio statistic is z squared, by Newton's method on its logarithm."""
    rate, trials, z = np.broadcast_arrays(rate, trials, np.asarray(z, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # Starting values at or below the limit: from the normal approximation to the cube root of a count; the score limit for
        # a rate above one half; and the limit that ignores the trials without an error.
        root = np.maximum(1 - z * np.sqrt((1 - rate) / (rate * trials)) / 3, 0.0)
        near = np.where(rate < 0.5, rate * root**3, wilson_at(rate, trials, z)[0])
        far = np.log(rate) - z * z / (2 * trials * rate) + xlogy(1 - rate, 1 - rate) / rate
        log_low = np.maximum(np.log(near), far)
        for _ in range(NEWTON_STEPS):
            low = np.exp(log_low)
            excess = _likelihood(rate, trials, low) - z * z
            log_low = log_low - excess * (1 - low) / (2 * trials * (low - rate))
        low = np.exp(log_low)
    # If z is 0 the derivative is 0, and the limit is the rate itself.
    return np.where(rate == 0, 0.0, np.where(np.isfinite(low) & (low <= rate), low, rate))


def _likelihood(rate: FloatArray, trials: FloatArray, limit: FloatArray) -> FloatArray:
    """Twice the log likelihood ratio of the observed rate against `limit`, in a form without cancellation near it."""
    away = rate - limit
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(rate == 0, 0.0, rate * np.log1p(away / limit))
        others = np.where(rate == 1, 0.0, (1 - rate) * np.log1p(-away / (1 - limit)))
    return np.asarray(2 * trials * (errors + others), dtype=np.float64)


def _squared_z(rate: FloatArray, trials: FloatArray, limit: FloatArray) -> FloatArray:
    """The z squared at which the lower limit of `rare_error_limits` is `limit` <= rate; infinite if limit <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score = trials * (rate - limit) ** 2 / (limit * (1 - limit))
        squared = np.fmin(score, _likelihood(rate, trials, limit)) * trials / (trials + 1)
    return np.where(limit == rate, 0.0, np.where(limit <= 0, np.inf, squared))


def _joined(
    rate_a: FloatArray,
    limits_a: tuple[FloatArray, FloatArray],
    rate_b: FloatArray,
    limits_b: tuple[FloatArray, FloatArray],
    factor: AnyArray | float,
) -> tuple[FloatArray, FloatArray]:
    """Limits of rate_a - rate_b from those of each: arms add in quadrature, as standard errors do."""
    below = factor * np.hypot(rate_a - limits_a[0], limits_b[1] - rate_b)
    above = factor * np.hypot(limits_a[1] - rate_a, rate_b - limits_b[0])
    return rate_a - rate_b - below, rate_a - rate_b + above


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise StatisticsError(f"level {level} is not a probability strictly between 0 and 1; 0.95 is usual")
    return level


def _plain(low: FloatArray, high: FloatArray) -> Interval:
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)
