"""Convert a variance estimated from few subjects to an equivalent number of independent trials.

Wilson's interval depends on the quantile and the trials only through z * z / trials. An interval with a wider quantile
q is therefore Wilson's interval at the usual z on trials * (z / q)**2. This one number determines all that follows: the
interval, the gap between two rates, and the subjects still needed.

It has two bounds. The variance of a rate is largest if every subject has only errors or none, so effective trials are
never fewer than the subjects (or, for pairs, the disjoint pairs) they come from; and they never exceed the trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Many rates as columns, one row per cell; `rate(k)` and `rows()` return them as `Rate`.

    per_person_trials, per_person_low, per_person_high, dominated_by : likewise; float64 [cells], the last int64

    Attributes
    ----------
    errors, trials, subjects
        int64 [cells].
    effective_trials, low, high
        float64 [cells], NaN where no interval is defined.
    method
        Str [cells].
    units, effective_subjects, largest_share, per_person
        int64, then float64 [cells], as in `Rate`.
    estimate
        float64 [cells], as in `Rate`; None if no rate is from a sample.
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
    per_person_trials: FloatArray
    per_person_low: FloatArray
    per_person_high: FloatArray
    dominated_by: IntArray
    by_person: bool = False
    estimate: FloatArray | None = None

    def with_equal_weights(self) -> RateColumns:
        """The same columns with the rates, intervals and effective trials for equal weights of subjects."""
        return replace(
            self,
            effective_trials=self.per_person_trials,
            low=self.per_person_low,
            high=self.per_person_high,
            by_person=True,
        )

    @property
    def value(self) -> FloatArray:
        """errors / trials, NaN without trials; or the mean over subjects if they have equal weights."""
        if self.by_person:
            return self.per_person
        empty = np.full(self.errors.shape, np.nan)
        found = np.asarray(np.divide(self.errors, self.trials, out=empty, where=self.trials > 0), dtype=np.float64)
        return found if self.estimate is None else np.where(np.isnan(self.estimate), found, self.estimate)

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
            per_person_trials=float(self.per_person_trials[cell]),
            per_person_low=float(self.per_person_low[cell]),
            per_person_high=float(self.per_person_high[cell]),
            dominated_by=int(self.dominated_by[cell]),
            by_person=self.by_person,
            # The NaN object of Rate's default, so that two identical rates compare equal.
            estimate=math.nan if self.estimate is None or np.isnan(self.estimate[cell]) else float(self.estimate[cell]),
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
        per_person_trials=np.array([rate.per_person_trials for rate in rates], np.float64),
        per_person_low=np.array([rate.per_person_low for rate in rates], np.float64),
        per_person_high=np.array([rate.per_person_high for rate in rates], np.float64),
        dominated_by=np.array([rate.dominated_by for rate in rates], np.int64),
        by_person=any(rate.by_person for rate in rates),
        estimate=np.array([rate.estimate for rate in rates], np.float64),
    )


@dataclass(frozen=True, eq=False)
class Weights:
    """How evenly trials are distributed over the sampling units of each cell.

    units     : int64 [cells], units with a trial
    effective : float64 [cells], (sum t)^2 / sum t^2 over their trials t: equal to units if all have the same number of
                trials, smaller if a few have most of them. 0 without trials
    largest   : float64 [cells], largest proportion of the trials in one unit; NaN without trials
    """

    units: IntArray
    effective: FloatArray
    largest: FloatArray


def weights_of(unit_trials: AnyArray, cells: IntArray, *, n_cells: int) -> Weights:
    """How evenly trials are distributed over units, by cell.

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
    # Relative to the largest, so that equal trials are exactly 1 and give exactly the number of units.
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
    """Number of independent trials for which Wilson's interval is as wide as Student's t requires; arrays of one shape.

    variance : of the rate, estimated over the subjects
    shared   : proportion of the variance, 0 to 1, due to trials that share subjects; if 0, the variance follows from
               the rate itself and no t is needed
    carriers : effective number of subjects that contribute to the variance, `carriers_of` their influences. If a few
               subjects have most of the errors, the variance is poorly known, however many subjects there are
    at_least : the lower bound in the module's docstring
    returns  : NaN where rate is NaN

    The degrees of freedom are (carriers + 1/2) / sqrt(shared). With subjects - 1, intervals covered only 0.90 in
    samples of 40 subjects with few errors, concentrated in some of them. With carriers - 1, they were ten times as wide
    as necessary if two subjects had most of the errors, as Wilson's interval on so few effective errors is already wide
    (benchmarks/coverage.md).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (carriers + 0.5) / np.sqrt(shared)
        tail = np.full_like(freedom, (1 - level) / 2)
        # stdtrit returns NaN for infinite degrees of freedom.
        quantile = -stdtrit(np.where(np.isfinite(freedom), np.minimum(freedom, 1e9), 1e9), tail)
        estimated = rate * (1 - rate) / variance * (two_sided_z(level) / quantile) ** 2
    # No variance between subjects: treated as independent.
    estimated = np.where(variance > 0, estimated, trials)
    return np.where(np.isnan(rate), np.nan, np.clip(estimated, np.minimum(at_least, trials), trials))


def carriers_of(squares: FloatArray) -> FloatArray:
    """Effective number of contributions on the last axis: (sum)^2 / sum of squares; NaN if all are 0.

    Examples
    --------
    >>> import numpy as np
    >>> carriers_of(np.array([4.0, 4.0, 0.0, 0.0]))
    array(2.)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(squares.sum(-1) ** 2 / (squares**2).sum(-1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class PeopleRates:
    """Rates with equal weights of subjects (or pairs of subjects), float64 [cells] each.

    effective : independent trials that give an interval of the same width; NaN if there is none
    """

    value: FloatArray
    effective: FloatArray
    low: FloatArray
    high: FloatArray


def people_rates(
    value: FloatArray,
    *,
    cap: FloatArray,
    effective: FloatArray,
    exact_trials: FloatArray,
    level: float,
) -> PeopleRates:
    """Intervals of rates with equal weights of subjects, by the rule of `rate_columns`.

    cap          : effective trials if all trials were independent; where `effective` reaches it, the interval is Wilson's
    exact_trials : as in `rate_columns`
    """
    extreme = (value == 0) | (value == 1)
    used = np.where(extreme, np.minimum(exact_trials, cap), effective)
    used = np.where((exact_trials > 0) & (cap > 0), used, np.nan)
    counted = np.where(np.isnan(used), np.nan, value * used)
    low, high = (np.atleast_1d(end) for end in wilson(counted, used, level=level))
    exact = extreme & ~np.isnan(used)
    if exact.any():
        low[exact], high[exact] = clopper_pearson(counted[exact], used[exact], level=level)
    return PeopleRates(value, used, low, high)


def rate_columns(
    errors: IntArray,
    trials: IntArray,
    subjects: IntArray,
    *,
    effective: FloatArray,
    independent: AnyArray,
    exact_trials: AnyArray,
    exact_method: str,
    level: float,
    weights: Weights,
    per_person: PeopleRates | None = None,
    dominated_by: IntArray | None = None,
    independent_trials: FloatArray | None = None,
) -> RateColumns:
    """Intervals by the package's common rule, for all cells at once.

    independent  : bool [cells], no subject repeats: Wilson's interval on the trials, or on `independent_trials` if a
                   comparison may be several trials
    exact_trials : independent trials to use if there are no errors or only errors, so that no variance can be
                   estimated: Clopper-Pearson's interval on them. 0: no interval is defined
    effective    : otherwise Wilson's interval on these
    weights, per_person : distribution of the trials over units, and rates with equal weights of subjects; passed on to
                          the result
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = errors / trials
    extreme = (errors == 0) | (errors == trials)
    alone = trials if independent_trials is None else independent_trials
    used = np.where(independent, alone, np.where(extreme, exact_trials, effective)).astype(np.float64)
    used = np.where((trials > 0) & (exact_trials > 0), used, np.nan)
    low, high = wilson(np.where(np.isnan(used), np.nan, rate * used), used, level=level)
    exact = extreme & ~independent & ~np.isnan(used)
    if exact.any():
        low[exact], high[exact] = clopper_pearson(rate[exact] * used[exact], used[exact], level=level)
    method = np.select(
        [np.isnan(used), independent, exact], [UNDEFINED, WILSON, exact_method], default=WILSON_EFFECTIVE
    )
    none = np.full(np.shape(used), np.nan)
    people = PeopleRates(none, none, none, none) if per_person is None else per_person
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
        per_person=people.value,
        per_person_trials=people.effective,
        per_person_low=people.low,
        per_person_high=people.high,
        dominated_by=np.zeros(np.shape(used), np.int64) if dominated_by is None else dominated_by,
    )


def whole(values: AnyArray, name: str) -> IntArray:
    """`values` as int64 counts, or a StatisticsError for negative, fractional or missing ones."""
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind not in "buif" or array.ndim != 1:
        raise StatisticsError(f"{name} must be one row of counts, not {array.dtype} of shape {array.shape}")
    if array.size and not (np.all(np.isfinite(array)) and np.all(array >= 0) and np.all(array == np.floor(array))):
        wrong = array[~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))][0]
        raise StatisticsError(f"{name} contains {wrong}; counts must be whole numbers of at least 0")
    return array.astype(np.int64)
