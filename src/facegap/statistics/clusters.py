"""Rates with repeated subjects: several images, attempts or genuine pairs of one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.dominated import dominating_units
from facegap.statistics.effective import (
    EXACT_SUBJECTS,
    RateColumns,
    effective_trials,
    people_rates,
    rate_columns,
    weights_of,
    whole,
)
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Rate

# Multiple of the jackknife variance. Without this cap, intervals are twice too wide where the number of images and the error
# rate are negatively correlated (benchmarks/coverage.md).
MOST_BY_MODEL = 3.0


def clustered_rate(errors: ArrayLike, trials: ArrayLike | None, subjects: ArrayLike, *, level: float = 0.95) -> Rate:
    """The rate sum(errors) / sum(trials), with the subject, not the trial, as the sampling unit.

    Parameters
    ----------
    errors, trials
        Integers per observation, of the same shape. An observation is an image (errors 0 or 1, trials 1, the default
        for trials=None) or the sum over a subject. Observations with 0 trials are ignored.
    subjects
        Id of the person of each observation, any dtype; ids may repeat, in any order.

    Returns
    -------
    Rate
        If no subject has a second trial: Wilson's interval on the trials. A single subject with several trials: NaN. If
        subjects repeat and there are no errors or only errors: Clopper-Pearson with effective subjects, (sum t)^2 / sum
        t^2 over their trials t, as trials. Otherwise Wilson's interval on effective trials from the largest of three
        variances (`effective_of`), with Student's t for the number of subjects that contribute to it
        (statistics/effective.py).

    Raises
    ------
    StatisticsError
        If shapes differ, a count is negative, or errors > trials.

    References
    ----------
    `effective_of` for the variance; Wilson (1927).

    Examples
    --------
    >>> rate = clustered_rate([1, 0, 1, 0, 0, 0], None, ["ada", "ada", "eve", "eve", "bob", "dan"])
    >>> rate.errors, rate.trials, rate.subjects
    (2, 6, 4)
    >>> round(rate.low, 3), round(rate.high, 3)
    (0.097, 0.7)
    """
    subject_ids = np.atleast_1d(np.asarray(subjects))
    _, codes = np.unique(subject_ids, return_inverse=True)
    cells = np.zeros(len(subject_ids), dtype=np.int64)
    return clustered_rates(errors, trials, codes.reshape(-1), cells, n_cells=1, level=level).rate(0)


def clustered_rates(
    errors: ArrayLike,
    trials: ArrayLike | None,
    subjects: ArrayLike,
    cells: ArrayLike,
    *,
    n_cells: int,
    level: float = 0.95,
    units: ArrayLike | None = None,
) -> RateColumns:
    """`clustered_rate` of many cells at once; every observation is in at most one cell.

    Parameters
    ----------
    subjects
        int codes >= 0; a subject may appear in several cells.
    cells
        int codes 0..n_cells-1, -1 for an observation in no cell.
    units
        int codes >= 0 of sampling units used instead of subjects, such as the photographer of each observation;
        `subjects` of the result still counts people.

    Returns
    -------
    RateColumns
        n_cells rows; value and interval are NaN for a cell without trials.

    Examples
    --------
    >>> found = clustered_rates([1, 0, 0, 1], None, [0, 1, 2, 3], [0, 0, 1, 1], n_cells=2)
    >>> found.errors, found.trials
    (array([1, 1]), array([2, 2]))
    >>> found.value.round(2)
    array([0.5, 0.5])
    """
    errors_, trials_, subjects_, cells_ = _observations(errors, trials, subjects, cells, n_cells)
    inside = (cells_ >= 0) & (trials_ > 0)
    cells_, subjects_ = cells_[inside], subjects_[inside]
    stride = int(subjects_.max(initial=0)) + 1
    clusters, first, codes = np.unique(cells_ * stride + subjects_, return_index=True, return_inverse=True)
    person_errors = np.bincount(codes, weights=errors_[inside], minlength=len(clusters))
    person_trials = np.bincount(codes, weights=trials_[inside], minlength=len(clusters))
    of_person = None
    if units is not None:
        units_ = whole(np.asarray(units), "units")
        if len(units_) != len(inside):
            raise StatisticsError(f"units has {len(units_)} rows for {len(inside)} observations; give one each")
        of_person = units_[inside][first]
    return rates_of_clusters(
        person_errors, person_trials, clusters // stride, n_cells=n_cells, level=level, units=of_person
    )


def rates_of_clusters(
    cluster_errors: AnyArray,
    cluster_trials: AnyArray,
    cells: IntArray,
    *,
    n_cells: int,
    level: float = 0.95,
    units: IntArray | None = None,
    squares: AnyArray | None = None,
) -> RateColumns:
    """Rates of cells from one row per subject and cell, each with at least one trial.

    Parameters
    ----------
    cluster_errors, cluster_trials
        Integers of any numeric dtype, of the same shape.
    cells
        int codes of the same shape.
    units
        int codes of the sampling units, of the same shape; None: the subjects.
    squares
        Sum of squared trials over the distinct comparisons of each row, of the same shape, if some comparisons were
        made more than once; None: each comparison is one trial.

    Examples
    --------
    >>> import numpy as np
    >>> found = rates_of_clusters([1, 0, 2], [2, 2, 2], np.array([0, 0, 1]), n_cells=2)
    >>> found.errors, found.subjects
    (array([1, 2]), array([2, 1]))
    """
    trials = np.asarray(cluster_trials, np.float64)
    squared = trials if squares is None else np.asarray(squares, np.float64)
    people = Clusters(np.asarray(cluster_errors, np.float64), trials, cells, n_cells, squared)
    own = people.errors / people.trials
    varying, even = people, Clusters(own, np.ones_like(own), cells, n_cells, np.ones_like(own))
    if units is not None:
        varying, even = joined(people, units), joined(even, units)
    subjects = people.units
    with np.errstate(divide="ignore", invalid="ignore"):
        # Independent trials of the mean of subjects' rates if all images were independent.
        cap = subjects**2 / people.sums(people.squares / people.trials / people.trials)
    weights = weights_of(varying.trials, varying.cells, n_cells=n_cells)
    once = varying.sums(varying.trials**2) == varying.sums(varying.squares)  # every unit has one comparison
    exact = np.where((weights.units > 1) | once, weights.effective, 0.0)
    distinct = varying.distinct
    even_units = weights_of(even.trials, even.cells, n_cells=n_cells).effective
    return rate_columns(
        varying.all_errors.astype(np.int64),
        varying.all_trials.astype(np.int64),
        subjects,
        effective=effective_of(varying, varying.independent_trials, level),
        independent=once,
        independent_trials=varying.independent_trials,
        exact_trials=exact,
        exact_method=EXACT_SUBJECTS,
        level=level,
        weights=weights,
        per_person=people_rates(
            even.rate,
            cap=cap,
            effective=effective_of(even, cap, level),
            exact_trials=np.where(exact > 0, even_units, 0.0),
            level=level,
        ),
        dominated_by=dominating_units(
            distinct.errors,
            distinct.trials,
            distinct.cells,
            total_errors=distinct.all_errors,
            total_trials=distinct.all_trials,
        ),
    )


@dataclass(frozen=True, eq=False)
class Clusters:
    """Errors and trials of each sampling unit, float64 (rows,), and the cell of each; sums are by cell.

    squares : float64 (rows,), sum of squared trials over the distinct comparisons of each unit; equal to its trials
              where no comparison was repeated, for example in both orders
    """

    errors: FloatArray
    trials: FloatArray
    cells: IntArray
    n_cells: int
    squares: FloatArray

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums of the values by cell."""
        return np.bincount(self.cells, weights=values, minlength=self.n_cells).astype(np.float64)

    @property
    def units(self) -> IntArray:
        """Units of each cell."""
        return np.bincount(self.cells, minlength=self.n_cells).astype(np.int64)

    @property
    def all_errors(self) -> FloatArray:
        """Errors of each cell."""
        return self.sums(self.errors)

    @property
    def all_trials(self) -> FloatArray:
        """Trials of each cell."""
        return self.sums(self.trials)

    @property
    def independent_trials(self) -> FloatArray:
        """Equivalent number of trials of each cell if all distinct comparisons are independent."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.all_trials / (self.sums(self.squares) / self.all_trials)

    @property
    def distinct(self) -> Clusters:
        """The same with each comparison counted once; exact if all comparisons of a unit were made equally often."""
        times = self.squares / self.trials
        trials = self.trials / times
        return Clusters(self.errors / times, trials, self.cells, self.n_cells, trials)

    @property
    def rate(self) -> FloatArray:
        """Errors over trials of each cell; NaN without trials."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.all_errors / self.all_trials, dtype=np.float64)


def joined(people: Clusters, units: IntArray) -> Clusters:
    """The same by unit and cell."""
    stride = int(units.max(initial=0)) + 1
    keys, codes = np.unique(people.cells * stride + units, return_inverse=True)
    errors, trials, squares = (
        np.bincount(codes, weights=values, minlength=len(keys)).astype(np.float64)
        for values in (people.errors, people.trials, people.squares)
    )
    return Clusters(errors, trials, keys // stride, people.n_cells, squares)


def effective_of(found: Clusters, cap: FloatArray, level: float) -> FloatArray:
    """Effective trials of each cell, from the largest of three variances of its rate.

    cap : effective trials if all trials were independent; they give the first variance. The second is a jackknife over
          units, which accounts for the leverage of units with many trials. The third assumes one intraclass
          correlation, estimated from all units, and so still accounts for correlation if the few units with many trials
          happen to have similar rates; it is capped at MOST_BY_MODEL times the others
    Source : jackknife of a ratio, e.g. Shao and Tu (1995); intraclass correlation by analysis of variance, Donner
    (1986)
    """
    rate, units, trials = found.rate, found.units, found.all_trials
    with np.errstate(divide="ignore", invalid="ignore"):
        influence = found.errors - rate[found.cells] * found.trials
        squares = influence**2
        by_deleting = found.sums((influence / (trials[found.cells] - found.trials)) ** 2) * (units - 1) / units
        independent = rate * (1 - rate) / cap
        worst = trials**2 / found.sums(found.trials**2)
        by_model = independent * (1 + (found.independent_trials / worst - 1) * intraclass_correlation(found.distinct))
        least = np.maximum(np.nan_to_num(by_deleting), independent)
        variance = np.maximum(least, np.minimum(np.nan_to_num(by_model), MOST_BY_MODEL * least))
        carriers, shared = found.sums(squares) ** 2 / found.sums(squares**2), 1 - independent / variance
    return effective_trials(rate, cap, variance=variance, shared=shared, carriers=carriers, at_least=worst, level=level)


def intraclass_correlation(found: Clusters) -> FloatArray:
    """Intraclass correlation of errors within units, by cell, in [0, 1]; 0 where no unit has a second trial."""
    influence = found.errors - found.rate[found.cells] * found.trials
    units, trials = found.units, found.all_trials
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = (trials - found.sums(found.trials**2) / trials) / (units - 1)
        between = found.sums(influence**2 / found.trials) / (units - 1)
        within = found.sums(found.errors * (1 - found.errors / found.trials)) / (trials - units)
        correlation = (between - within) / (between + (typical - 1) * within)
    known = np.nan_to_num(np.where(trials > units, correlation, 0.0))
    return np.asarray(np.clip(known, 0.0, 1.0), dtype=np.float64)


def subject_correlation(errors: FloatArray, trials: FloatArray) -> FloatArray:
    """Correlation of the rates of cells that share subjects: the limit of a subject bootstrap.

    Parameters
    ----------
    errors, trials
        float64 [S, C], sums per subject and cell; a subject with no trial in a cell has zeros there.

    Returns
    -------
    FloatArray
        float64 [C, C], 1 on the diagonal; 0 where a rate does not vary (no errors) or has no trials.

    References
    ----------
    Linearisation of each rate: the covariance over i of (errors_i - rate * trials_i) / trials.

    Examples
    --------
    >>> import numpy as np
    >>> errors = np.array([[2.0, 2.0], [0.0, 0.0], [1.0, 0.0]])
    >>> subject_correlation(errors, np.full((3, 2), 2.0)).round(2)
    array([[1.  , 0.87],
           [0.87, 1.  ]])
    """
    total = trials.sum(axis=0)
    rate = np.divide(errors.sum(axis=0), total, out=np.zeros(total.shape), where=total > 0)
    influence = errors - rate * trials
    length = np.sqrt((influence**2).sum(axis=0))
    unit = np.divide(influence, length, out=np.zeros_like(influence), where=length > 0)
    correlation = np.clip(unit.T @ unit, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)


def shared_subjects(wrong: BoolArray, subjects: IntArray, codes: IntArray, groups: int) -> FloatArray | None:
    """Correlation of the rates of groups that share subjects; None if each subject is in one group only.

    wrong, subjects, codes : one entry per row; rows with code -1 are ignored
    """
    inside = codes >= 0
    pairs = np.unique(np.stack([subjects[inside], codes[inside]]), axis=1)
    if len(np.unique(pairs[0])) == pairs.shape[1]:
        return None
    people = int(subjects.max(initial=-1)) + 1
    flat = subjects[inside] * groups + codes[inside]
    trials = np.bincount(flat, minlength=people * groups).reshape(people, groups)
    errors = np.bincount(flat, weights=wrong[inside], minlength=people * groups).reshape(people, groups)
    return subject_correlation(errors.astype(np.float64), trials.astype(np.float64))


def _observations(
    errors: ArrayLike, trials: ArrayLike | None, subjects: ArrayLike, cells: ArrayLike, n_cells: int
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    errors_ = whole(np.asarray(errors), "errors")
    trials_ = np.ones_like(errors_) if trials is None else whole(np.asarray(trials), "trials")
    subjects_ = whole(np.asarray(subjects), "subjects")
    cells_ = np.atleast_1d(np.asarray(cells, dtype=np.int64))
    lengths = [len(array) for array in (errors_, trials_, subjects_, cells_)]
    if len(set(lengths)) != 1:
        raise StatisticsError(f"errors, trials, subjects and cells have {lengths} rows; give one row per observation")
    if np.any(errors_ > trials_):
        row = int(np.flatnonzero(errors_ > trials_)[0])
        raise StatisticsError(f"observation {row} has {errors_[row]} errors in {trials_[row]} trials")
    if cells_.size and (cells_.min() < -1 or cells_.max() >= n_cells):
        raise StatisticsError(
            f"cells run from {cells_.min()} to {cells_.max()}; with {n_cells} cells give -1 to {n_cells - 1}"
        )
    return errors_, trials_, subjects_, cells_
