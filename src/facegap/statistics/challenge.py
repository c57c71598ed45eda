"""The challenge age at which an age check accepts at most a stated proportion of under-age subjects, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facegap.statistics.clusters import clustered_rates
from facegap.statistics.effective import RateColumns
from facegap.types import BoolArray, FloatArray, IntArray

TENTHS = 10  # challenge ages are found to a tenth of a year


@dataclass(frozen=True)
class ChallengeAge:
    """The challenge age that keeps the false positive rate of every group at or below a target.

    value     : in tenths of a year, at least the limit; the lowest at which no group's rate exceeds the target
    low, high : its interval: the lowest age at which no group's lower limit is above the target, and the lowest at
                which every group's upper limit is within it; high is infinite where the upper limit would exceed the
                target even without errors
    worst     : the group that requires it; -1 where the legal limit is sufficient
    """

    value: float
    low: float
    high: float
    worst: int


def challenge_age(
    estimates: FloatArray,
    subjects: IntArray,
    groups: IntArray,
    *,
    n_groups: int,
    target: float,
    limit: float,
    units: IntArray | None = None,
    level: float = 0.95,
) -> ChallengeAge:
    """The lowest challenge age at which no group's false positive rate is above a target.

    Parameters
    ----------
    estimates : float64 (n,)
        Estimated ages of under-age subjects; an estimate of at least the challenge age is accepted.
    subjects, groups : int64 (n,)
        Subject, and group 0..n_groups-1; -1 for estimates to which the target does not apply.
    target : float
        Proportion in (0, 1).
    limit : float
        The legal age; no challenge age is below it.
    units : int64 (n,), optional
        Sampling units used instead of subjects.
    level : float
        Simultaneous confidence level over all groups: each group has level 1 - (1 - level) / groups (Bonferroni).

    Returns
    -------
    ChallengeAge
        All NaN if no group has an estimate.

    Notes
    -----
    The interval inverts those of the rates (statistics/clusters.py, subjects as clusters), without resampling. If a
    group is too small to demonstrate the target at all, there is no upper limit, whereas a bootstrap would give one.
    Both limits are found by bisection over tenths of a year.

    Examples
    --------
    >>> ages = np.array([16.0, 17.2, 18.4, 19.1, 21.7, 15.0, 16.1, 16.8, 17.0, 24.2])
    >>> found = challenge_age(ages, np.arange(10), np.repeat([0, 1], 5), n_groups=2, target=0.2, limit=18.0)
    >>> found.value, found.high
    (19.2, inf)
    """
    groups = np.asarray(groups)
    wanted = [_of_group(estimates[groups == k], target) for k in range(n_groups)]
    if not any(len(estimates[groups == k]) for k in range(n_groups)):
        return ChallengeAge(math.nan, math.nan, math.nan, -1)
    value = max(limit, *(age for age in wanted))
    worst = int(np.argmax(wanted)) if max(wanted) > limit else -1
    counted = groups >= 0
    start, stop = math.ceil(limit * TENTHS), _above(float(estimates[counted].max()), limit)

    def rates(tenths: int) -> RateColumns:
        passed: BoolArray = np.asarray(estimates >= tenths / TENTHS)
        return clustered_rates(
            passed, None, subjects, groups, n_cells=n_groups, level=1 - (1 - level) / n_groups, units=units
        )

    low = _lowest(start, stop, lambda tenths: not bool((rates(tenths).low > target).any()))
    high = _lowest(start, stop, lambda tenths: bool((rates(tenths).high <= target).all()))
    return ChallengeAge(value, min(max(limit, low), value), max(limit, high, value), worst)


def _of_group(estimates: FloatArray, target: float) -> float:
    """The lowest tenth of a year that at most the target proportion of estimates reaches; minus infinity without estimates."""
    if not len(estimates):
        return -math.inf
    allowed = math.floor(target * len(estimates) + 1e-9)
    ordered = np.sort(estimates)[::-1]
    return -math.inf if allowed >= len(ordered) else (math.floor(float(ordered[allowed]) * TENTHS) + 1) / TENTHS


def _above(largest: float, limit: float) -> int:
    """The first tenth of a year, at least the limit, that no estimate reaches."""
    return max(math.floor(largest * TENTHS) + 1, math.ceil(limit * TENTHS))


def _lowest(start: int, stop: int, holds: Callable[[int], bool]) -> float:
    """The lowest age between start and stop (in tenths) from which `holds` is true, in years; infinite if it never is."""
    if not holds(stop):
        return math.inf
    while start < stop:
        middle = (start + stop) // 2
        start, stop = (start, middle) if holds(middle) else (middle + 1, stop)
    return start / TENTHS
