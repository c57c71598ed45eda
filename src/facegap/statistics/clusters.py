"""Rates of trials that repeat subjects: several images, attempts or genuine pairs of one person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.effective import (
    EXACT_SUBJECTS,
    RateColumns,
    effective_trials,
    rate_columns,
    weights_of,
    whole,
)
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Rate


def clustered_rate(errors: ArrayLike, trials: ArrayLike | None, subjects: ArrayLike, *, level: float = 0.95) -> Rate:
    """The rate sum(errors) / sum(trials), with subjects, not trials, as what varies independently.

    errors, trials : whole numbers per observation, one shape. An observation is an image (errors 0 or 1, trials 1;
                     trials=None means that) or already the sum over a subject. 0 trials: the observation says nothing
    subjects       : id of the person of each observation, any dtype; ids may repeat, in any order
    returns        : no subject with a second trial: plain Wilson on the trials.
                     One subject only, with several trials: the interval is NaN.
                     No errors, or nothing but errors, while subjects repeat: Clopper-Pearson with subjects as trials.
                     Else Wilson on effective trials from the cluster-robust variance
                     sum_i (errors_i - rate * trials_i)^2 / (sum trials)^2 * S / (S - 1), never under the independent
                     one, with Student's t for the few subjects that carry it (statistics/effective.py)
    Raises         : StatisticsError for shapes that differ, negative counts or errors > trials
    Source         : linearised variance of a ratio by clusters, e.g. Cochran (1977) chapter 3; Wilson (1927)

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
    """`clustered_rate` of many cells at once; every observation lies in one cell.

    subjects : int codes >= 0; a subject may appear in several cells
    cells    : int codes 0..n_cells-1, -1 for an observation that is in none
    units    : int codes >= 0 of what varies independently in place of the subjects, such as the photographer of each
               observation; `subjects` of the result are people all the same
    returns  : RateColumns of n_cells rows; a cell without trials has NaN value and interval

    Examples
    --------
    >>> found = clustered_rates([1, 0, 0, 1], None, [0, 1, 2, 3], [0, 0, 1, 1], n_cells=2)
    >>> found.errors, found.trials
    (array([1, 1]), array([2, 2]))
    >>> found.value.round(2)
    array([0.5, 0.5])
    """
    if units is not None:
        found = clustered_rates(errors, trials, units, cells, n_cells=n_cells, level=level)
        people = clustered_rates(errors, trials, subjects, cells, n_cells=n_cells, level=level)
        return replace(found, subjects=people.subjects, per_person=people.per_person)
    errors_, trials_, subjects_, cells_ = _observations(errors, trials, subjects, cells, n_cells)
    inside = (cells_ >= 0) & (trials_ > 0)
    cells_, subjects_ = cells_[inside], subjects_[inside]
    stride = int(subjects_.max(initial=0)) + 1
    clusters, codes = np.unique(cells_ * stride + subjects_, return_inverse=True)
    cluster_errors = np.bincount(codes, weights=errors_[inside], minlength=len(clusters))
    cluster_trials = np.bincount(codes, weights=trials_[inside], minlength=len(clusters))
    return rates_of_clusters(cluster_errors, cluster_trials, clusters // stride, n_cells=n_cells, level=level)


def rates_of_clusters(
    cluster_errors: AnyArray, cluster_trials: AnyArray, cells: IntArray, *, n_cells: int, level: float = 0.95
) -> RateColumns:
    """Rates of cells from one row per subject and cell, every row with at least one trial.

    cluster_errors, cluster_trials : whole numbers, any numeric dtype, one shape
    cells                          : int codes of the same shape

    Examples
    --------
    >>> import numpy as np
    >>> found = rates_of_clusters([1, 0, 2], [2, 2, 2], np.array([0, 0, 1]), n_cells=2)
    >>> found.errors, found.subjects
    (array([1, 2]), array([2, 1]))
    """
    cluster_errors = np.asarray(cluster_errors, dtype=np.float64)
    cluster_trials = np.asarray(cluster_trials, dtype=np.float64)
    subjects = np.bincount(cells, minlength=n_cells)
    errors = np.bincount(cells, weights=cluster_errors, minlength=n_cells).astype(np.float64)
    trials = np.bincount(cells, weights=cluster_trials, minlength=n_cells).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = errors / trials
        influence = (cluster_errors - rate[cells] * cluster_trials) ** 2
        squares = np.bincount(cells, weights=influence, minlength=n_cells)
        fourths = np.bincount(cells, weights=influence**2, minlength=n_cells)
        independent_variance = rate * (1 - rate) / trials
        variance = np.maximum(squares / trials**2 * subjects / (subjects - 1.0), independent_variance)
        carriers, shared = squares**2 / fourths, 1 - independent_variance / variance
        # Kish's design effect of unequal clusters that err as one: the worst that clustering can do.
        worst = trials**2 / np.bincount(cells, weights=cluster_trials**2, minlength=n_cells)
        per_person = np.bincount(cells, weights=cluster_errors / cluster_trials, minlength=n_cells) / subjects
    effective = effective_trials(
        rate, trials, variance=variance, shared=shared, carriers=carriers, at_least=worst, level=level
    )
    return rate_columns(
        errors.astype(np.int64),
        trials.astype(np.int64),
        subjects,
        effective=effective,
        independent=subjects == trials,
        exact_trials=np.where((subjects > 1) | (subjects == trials), subjects, 0),
        exact_method=EXACT_SUBJECTS,
        level=level,
        weights=weights_of(cluster_trials, cells, n_cells=n_cells),
        per_person=per_person,
    )


def subject_correlation(errors: FloatArray, trials: FloatArray) -> FloatArray:
    """Correlation of the rates of cells that share subjects, as a subject bootstrap gives it in the limit.

    errors, trials : float64 [S, C], sums per subject and cell; a subject with no trial in a cell has zeros there
    returns        : float64 [C, C], 1 on the diagonal; 0 where a rate does not vary (no errors) or has no trials
    Source         : the linear term of each rate, (errors_i - rate * trials_i) / trials, resampled over i

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
    """Correlation of the rates of groups that share subjects; None where each subject is in one group only.

    wrong, subjects, codes : one entry per row, codes -1 for rows that do not count
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
