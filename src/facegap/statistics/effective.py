"""From a variance that was estimated over few subjects to the number of independent trials it is worth.

Wilson's interval depends on the quantile and the trials only through z * z / trials. An interval with a wider quantile
q is therefore Wilson's interval at the usual z on trials * (z / q)**2, and this one number carries everything further:
the interval, the gap of two rates, the subjects still needed.

Two facts bound it. A rate of subjects that vary freely has at most the variance it would have if every subject erred
always or never, so effective trials are never fewer than the subjects (or, for pairs, the disjoint pairs) they come
from; and they are never more than the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.intervals import clopper_pearson, two_sided_z, wilson
from facegap.types import AnyArray, FloatArray, IntArray, Rate

WILSON = "wilson"
WILSON_EFFECTIVE = "wilson on effective trials"
EXACT_SUBJECTS = "clopper-pearson on subjects"
EXACT_PAIRS = "clopper-pearson on disjoint subject pairs"
UNDEFINED = "none"


@dataclass(frozen=True, eq=False)
class RateColumns:
    """Many rates as columns, one row per cell; `rate(k)` and `rows()` read them as `Rate`.

    errors, trials, subjects    : int64 [cells]
    effective_trials, low, high : float64 [cells], NaN where no interval is defined
    method                      : str [cells]
    units, effective_subjects, largest_share, per_person : int64, then float64 [cells], as in `Rate`
    """

    errors: IntArray
    trials: IntArray
    subjects: IntArray
    effective_trials: FloatArray
    low: FloatArray
    high: FloatArray
    level: float
    method: AnyArray
    units: IntArray
    effective_subjects: FloatArray
    largest_share: FloatArray
    per_person: FloatArray

    @property
    def value(self) -> FloatArray:
        """errors / trials, NaN where there are no trials."""
        empty = np.full(self.errors.shape, np.nan)
        return np.asarray(np.divide(self.errors, self.trials, out=empty, where=self.trials > 0), dtype=np.float64)

    def rate(self, cell: int) -> Rate:
        """The row of one cell."""
        return Rate(
            errors=int(self.errors[cell]),
            trials=int(self.trials[cell]),
            subjects=int(self.subjects[cell]),
            effective_trials=float(self.effective_trials[cell]),
            low=float(self.low[cell]),
            high=float(self.high[cell]),
            level=self.level,
            method=str(self.method[cell]),
            units=int(self.units[cell]),
            effective_subjects=float(self.effective_subjects[cell]),
            largest_share=float(self.largest_share[cell]),
            per_person=float(self.per_person[cell]),
        )

    def rows(self) -> list[Rate]:
        """All cells in order."""
        return [self.rate(cell) for cell in range(len(self.errors))]


def columns_of(rates: Sequence[Rate], *, level: float) -> RateColumns:
    """Rates as columns, in the order given."""
    return RateColumns(
        errors=np.array([rate.errors for rate in rates], np.int64),
        trials=np.array([rate.trials for rate in rates], np.int64),
        subjects=np.array([rate.subjects for rate in rates], np.int64),
        effective_trials=np.array([rate.effective_trials for rate in rates], np.float64),
        low=np.array([rate.low for rate in rates], np.float64),
        high=np.array([rate.high for rate in rates], np.float64),
        level=level,
        method=np.array([rate.method for rate in rates], np.str_),
        units=np.array([rate.units for rate in rates], np.int64),
        effective_subjects=np.array([rate.people for rate in rates], np.float64),
        largest_share=np.array([rate.largest_share for rate in rates], np.float64),
        per_person=np.array([rate.per_person for rate in rates], np.float64),
    )


@dataclass(frozen=True, eq=False)
class Weights:
    """How evenly trials lie among the sampling units of each cell.

    units     : int64 [cells], units with a trial
    effective : float64 [cells], (sum t)^2 / sum t^2 over their trials t: the units where trials are equal, and fewer
                where a few units hold most of them. 0 without trials
    largest   : float64 [cells], proportion of the trials that one unit holds; NaN without trials
    """

    units: IntArray
    effective: FloatArray
    largest: FloatArray


def weights_of(unit_trials: AnyArray, cells: IntArray, *, n_cells: int) -> Weights:
    """How evenly trials lie among units, by cell.

    unit_trials : trials of each unit, >= 0
    cells       : int codes of the same shape
    Source      : Kish (1965), effective sample size of unequal weights

    Examples
    --------
    >>> import numpy as np
    >>> found = weights_of([2, 2, 2, 8, 1, 1], np.array([0, 0, 0, 1, 1, 1]), n_cells=2)
    >>> found.units, found.effective.round(2), found.largest.round(2)
    (array([3, 3]), array([3.  , 1.52]), array([0.33, 0.8 ]))
    """
    trials = np.asarray(unit_trials, dtype=np.float64)
    most = np.zeros(n_cells)
    np.maximum.at(most, cells, trials)
    # As multiples of the largest, so that equal trials are exactly 1 and give the head count to the last bit.
    share = np.divide(trials, most[cells], out=np.zeros_like(trials), where=most[cells] > 0)
    total = np.bincount(cells, weights=share, minlength=n_cells)
    squares = np.bincount(cells, weights=share**2, minlength=n_cells)
    has = total > 0
    return Weights(
        np.bincount(cells, weights=trials > 0, minlength=n_cells).astype(np.int64),
        np.divide(total**2, squares, out=np.zeros(n_cells), where=has),
        np.divide(1.0, total, out=np.full(n_cells, np.nan), where=has),
    )


def effective_trials(
    rate: FloatArray,
    trials: FloatArray,
    *,
    variance: FloatArray,
    shared: FloatArray,
    carriers: FloatArray,
    at_least: FloatArray,
    level: float,
) -> FloatArray:
    """The independent trials on which Wilson's interval is as wide as Student's t makes it; arrays of one shape.

    variance : of the rate, estimated over the subjects
    shared   : the part of it, 0 to 1, that exists only because trials share subjects; where it is 0 the variance is
               known from the rate itself and no t is needed
    carriers : how many subjects carry the variance, (sum of squares)**2 / sum of fourth powers of their influences.
               A few subjects with most of the errors tell little about the variance, however many subjects there are
    at_least : the bound of the module's docstring
    returns  : NaN where rate is NaN

    The degrees of freedom are (carriers - 1) / sqrt(shared), at least 1. With subjects - 1 instead, intervals covered
    0.90 where 40 subjects had few errors, concentrated in some of them (benchmarks/coverage_study.py).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.maximum((carriers - 1) / np.sqrt(shared), 1.0)
        tail = np.full_like(freedom, (1 - level) / 2)
        # stdtrit answers NaN for an infinite number of degrees of freedom.
        quantile = -stdtrit(np.where(np.isfinite(freedom), np.minimum(freedom, 1e9), 1e9), tail)
        estimated = rate * (1 - rate) / variance * (two_sided_z(level) / quantile) ** 2
    # No variance at all between subjects: as good as independent.
    estimated = np.where(variance > 0, estimated, trials)
    return np.where(np.isnan(rate), np.nan, np.clip(estimated, np.minimum(at_least, trials), trials))


def rate_columns(
    errors: IntArray,
    trials: IntArray,
    subjects: IntArray,
    *,
    effective: FloatArray,
    independent: AnyArray,
    exact_trials: IntArray,
    exact_method: str,
    level: float,
    weights: Weights,
    per_person: FloatArray | None = None,
) -> RateColumns:
    """Intervals by the one rule of the package, for all cells at once.

    independent  : bool [cells], no subject repeats: plain Wilson on the trials
    exact_trials : independent trials at hand where there are no errors at all (or nothing but errors), from which no
                   variance can be estimated: Clopper-Pearson on them. 0 means that no interval is defined
    effective    : otherwise Wilson on these
    weights, per_person : how evenly the trials lie among units, and the rate of people who weigh equally; passed on
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = errors / trials
    extreme = (errors == 0) | (errors == trials)
    used = np.where(independent, trials, np.where(extreme, exact_trials, effective)).astype(np.float64)
    used = np.where((trials > 0) & (exact_trials > 0), used, np.nan)
    low, high = wilson(np.where(np.isnan(used), np.nan, rate * used), used, level=level)
    exact = extreme & ~independent & ~np.isnan(used)
    if exact.any():
        low[exact], high[exact] = clopper_pearson(rate[exact] * used[exact], used[exact], level=level)
    method = np.select(
        [np.isnan(used), independent, exact], [UNDEFINED, WILSON, exact_method], default=WILSON_EFFECTIVE
    )
    return RateColumns(
        errors,
        trials,
        subjects,
        used,
        low,
        high,
        level,
        method,
        units=weights.units,
        effective_subjects=weights.effective,
        largest_share=weights.largest,
        per_person=np.full(np.shape(used), np.nan) if per_person is None else per_person,
    )


def whole(values: AnyArray, name: str) -> IntArray:
    """`values` as int64 counts, or a StatisticsError for negative, fractional or missing ones."""
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind not in "buif" or array.ndim != 1:
        raise StatisticsError(f"{name} must be one row of counts, not {array.dtype} of shape {array.shape}")
    if array.size and not (np.all(np.isfinite(array)) and np.all(array >= 0) and np.all(array == np.floor(array))):
        wrong = array[~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))][0]
        raise StatisticsError(f"{name} holds {wrong}; counts are whole numbers from 0 up")
    return array.astype(np.int64)
