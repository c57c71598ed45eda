"""Rates dominated by a few subjects, so few that no interval describes how other subjects would vary.

Suppose one subject in twenty has errors on every second image. A group of twenty then contains none, one or two of
them. One or two account for most of the errors, and the interval has only these to estimate how common such subjects
are; with none, the problem is not visible. A dominated rate gets no verdict, and the number of subjects that dominate
it is reported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facegap.types import FloatArray, IntArray

MOST_PEOPLE = 3  # with more than half of the errors; with more subjects an interval is valid
MOST_CARRIERS = 3.25  # of the variance among those with an error: three equal ones, and a little for the others
FEWEST_ERRORS = 5  # with fewer, one person may have two by chance
ERRORS_OF_EACH = 2  # on average: single errors of different people do not dominate
TIMES_THEIR_TRIALS = 2.0  # least ratio of their proportion of the errors to their proportion of the trials


def dominating_units(
    errors: FloatArray, trials: FloatArray, cells: IntArray, *, total_errors: FloatArray, total_trials: FloatArray
) -> IntArray:
    """Number of units with more than half of the errors of each cell if they are few, else 0; int64 [cells].

    errors, trials : float64, of each unit; cells : its cell. No trial belongs to two units

    Examples
    --------
    >>> import numpy as np
    >>> errors, trials = np.array([9.0, 8.0, 0, 1, 0, 0, 1, 0, 0, 0]), np.full(10, 10.0)
    >>> dominating_units(errors, trials, np.zeros(10, np.int64), total_errors=np.array([19.0]), total_trials=np.array([100.0]))
    array([2])
    """
    n_cells = len(total_errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = total_errors / total_trials
    influence = np.where(errors > 0, errors - rate[cells] * trials, 0.0) ** 2
    carriers = _carriers(influence, cells, n_cells)
    found = np.zeros(n_cells, np.int64)
    candidates = (total_errors >= FEWEST_ERRORS) & (carriers <= MOST_CARRIERS)
    if not candidates.any():
        return found
    units = np.flatnonzero(candidates[cells])
    units = units[np.lexsort((-errors[units], cells[units]))]
    fresh = np.diff(cells[units], prepend=-1) != 0
    rank = np.arange(len(units)) - np.maximum.accumulate(np.where(fresh, np.arange(len(units)), 0))
    their_errors, their_trials, open_ = np.zeros(n_cells), np.zeros(n_cells), candidates.copy()
    for place in range(MOST_PEOPLE):
        now = units[rank == place]
        their_errors[cells[now]] += errors[now]
        their_trials[cells[now]] += trials[now]
        reached = open_ & (their_errors > total_errors / 2)
        people = place + 1
        found[reached & _are_outliers(their_errors, their_trials, people, total_errors, total_trials)] = people
        open_ &= ~reached
    return found


def dominating_units_of_pairs(
    low: IntArray, high: IntArray, errors: FloatArray, trials: FloatArray, total_errors: float, total_trials: float
) -> int:
    """The same for errors of pairs of units: number of units involved in more than half of the errors; 0 if many.

    low, high : units of each pair in error, int [k]; a pair within a unit has it on both sides
    errors    : float64 [k]; trials : float64 [units], trials that involve each unit

    Examples
    --------
    >>> import numpy as np
    >>> low, high = np.array([0, 0, 0, 0, 1]), np.array([1, 2, 3, 4, 2])
    >>> dominating_units_of_pairs(low, high, np.ones(5), np.full(20, 19.0), 5, 190)
    1
    """
    if total_errors < FEWEST_ERRORS:
        return 0
    size = len(trials)
    sums = _errors_involving(low, high, errors, size)
    influence = np.where(sums > 0, sums - total_errors / total_trials * trials, 0.0) ** 2
    if not _carriers(influence, np.zeros(size, np.int64), 1)[0] <= MOST_CARRIERS:
        return 0
    left, their_errors, their_trials = np.ones(len(low), np.bool_), 0.0, 0.0
    for place in range(1, MOST_PEOPLE + 1):
        unit = int(np.argmax(sums))
        their_errors, their_trials = their_errors + sums[unit], their_trials + trials[unit]
        if their_errors > total_errors / 2:
            return place * bool(_are_outliers(their_errors, their_trials, place, total_errors, total_trials))
        left &= (low != unit) & (high != unit)
        sums = _errors_involving(low[left], high[left], errors[left], size)
    return 0


def _errors_involving(low: IntArray, high: IntArray, errors: FloatArray, size: int) -> FloatArray:
    """Number of errors that involve each unit; those within a unit count once."""
    other = np.where(low == high, 0.0, errors)
    sums = np.bincount(low, weights=errors, minlength=size) + np.bincount(high, weights=other, minlength=size)
    return sums.astype(np.float64)


def _are_outliers(
    their_errors: FloatArray | float,
    their_trials: FloatArray | float,
    people: int,
    total_errors: FloatArray | float,
    total_trials: FloatArray | float,
) -> Any:
    """Whether these subjects have several errors each, and far more than their proportion of the trials."""
    with np.errstate(divide="ignore", invalid="ignore"):
        often = their_errors / total_errors >= TIMES_THEIR_TRIALS * their_trials / total_trials
    return (their_errors >= ERRORS_OF_EACH * people) & often


def _carriers(squares: FloatArray, cells: IntArray, n_cells: int) -> FloatArray:
    total = np.bincount(cells, weights=squares, minlength=n_cells)
    fourths = np.bincount(cells, weights=squares**2, minlength=n_cells)
    return np.asarray(np.divide(total**2, fourths, out=np.full(n_cells, np.inf), where=fourths > 0), dtype=np.float64)
